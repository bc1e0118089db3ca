"""The lock of a bundle: exact versions with hashes of everything that its model runs on, as `pylock.toml` (PEP 751)."""
