"""The name under which pickles find `wrappers`; everything else is in `run/`."""
