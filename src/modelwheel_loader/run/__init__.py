"""Trust, selection, the environment check, and the runtimes that answer."""
