"""The name under which pickles find `wrappers`; all else is in `run/native`."""
