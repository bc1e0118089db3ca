"""Boosters as ONNX graphs of our own: read from the model's own dump (`*_trees`), written by `graph` and `emit`."""
