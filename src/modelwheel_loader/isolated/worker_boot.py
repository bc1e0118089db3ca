"""What a worker's interpreter runs first, by the path of this file: it makes the caller's own loader importable.

Nothing else of the caller's packages becomes visible: the folder of the loader is not put on `sys.path`.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec


def _make_importable(folder: str) -> None:
    name = "modelwheel_loader"
    loader = SourceFileLoader(name, os.path.join(folder, "__init__.py"))
    spec = ModuleSpec(name, loader, origin=loader.path, is_package=True)
    spec.submodule_search_locations = [folder]
    spec.has_location = True
    sys.modules[name] = module_from_spec(spec)
    loader.exec_module(sys.modules[name])


if __name__ == "__main__":
    _make_importable(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from modelwheel_loader.isolated.worker_main import main

    main([int(number) for number in sys.argv[1:]])
