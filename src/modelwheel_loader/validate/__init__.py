"""The contract engine: checks rows, columns and answers, reads and builds frames."""
