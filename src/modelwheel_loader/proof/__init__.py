"""Golden examples, their comparison, and verification."""
