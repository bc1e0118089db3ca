"""Exit statuses: all is well; the bundle or its data fall short; the call is wrong; Ctrl-C."""

GOOD, SHORT, USAGE, INTERRUPTED = 0, 1, 2, 130
