"""`pack`: a trained model becomes a wheel."""
