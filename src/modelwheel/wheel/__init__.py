"""Wheels: `metadata` says what goes into the dist-info folder, `writer` lays out the bytes, `save` keeps them."""
