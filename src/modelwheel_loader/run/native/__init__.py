"""Opens the original object, in each format that a native payload has."""
