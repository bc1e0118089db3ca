"""Golden examples: how they are stored, read and compared."""
