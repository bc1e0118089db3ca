"""Schemas from and to other systems, one file per system; none is imported before it is asked for."""
