"""Whether a graph answers as the original does."""
