"""`manifest.json`: what a bundle says of itself."""
