"""The command line. This file is all that is imported where its extra is missing: a service installs neither part."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from modelwheel_loader.show import INTERRUPTED, USAGE

_NEEDED = ("click", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of `modelwheel`; returns its exit status. Without click and rich, says what to install."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        print(  # noqa: T201 - nothing better is installed
            f"modelwheel: the command line needs {' and '.join(missing)}: "
            'pip install "modelwheel[cli]"\n'
            "(python -m modelwheel_loader inspect | verify | predict works without)",
            file=sys.stderr,
        )
        return USAGE
    try:
        from .app import run

        return run(arguments)
    except KeyboardInterrupt:  # while modules are still being imported, too
        return INTERRUPTED
