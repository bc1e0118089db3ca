"""A bundle, its lock and the wheels that it needs in one folder, for machines without an index."""
