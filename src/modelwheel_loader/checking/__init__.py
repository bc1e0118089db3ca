"""Data against the contract: what callers pass, parameters, and what models answer."""
