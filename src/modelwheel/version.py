"""The version of modelwheel, written into every bundle."""

VERSION = "0.1.0"
