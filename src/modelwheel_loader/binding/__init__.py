"""From checked data to what a model saw in training, or to the inputs of a graph."""
