"""What a worker's interpreter runs first, by the path of this file: it makes the caller's own loader importable.

Nothing else of the caller's packages becomes visible: the folder of the loader is not put on `sys.path`.
"""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location


def _make_importable(folder: str) -> None:
    name = "modelwheel_loader"
    spec = spec_from_file_location(name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder])
    sys.modules[name] = module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(sys.modules[name])  # type: ignore[union-attr]


if __name__ == "__main__":
    _make_importable(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from modelwheel_loader.isolated.worker_main import main

    main([int(number) for number in sys.argv[1:]])
