"""One file per command, each with a `command`. Imported by name when it is called, so none pays for another."""
