"""Golden rows and the answers of the original."""
