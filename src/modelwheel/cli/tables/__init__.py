"""Tables in files: read in batches of constant size, asked of a model, written as they come."""
