"""Untrusted bytes become a manifest and verified members. Imports the base modules and nothing else of ours."""
