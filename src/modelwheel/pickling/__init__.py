"""Pickles that are the same whenever the model is."""
