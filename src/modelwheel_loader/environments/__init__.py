"""Interpreters and packages: what a payload needs, and environments that are built for it."""
