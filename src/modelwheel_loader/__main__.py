"""`python -m modelwheel_loader inspect | verify | predict`: the command line is `show/commandline.py`."""

import sys

from .show.commandline import main

if __name__ == "__main__":
    sys.exit(main())
