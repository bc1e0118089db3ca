"""The original objects: pickles scanned and opened, and files of frameworks."""
