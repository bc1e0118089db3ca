"""The file and the folder that hold a bundle: found, read strictly, compared with their digests."""
