"""Replays a draft in a fresh interpreter, where nothing of the author's process is."""
