"""Tables in files: read and written in batches of constant size."""
