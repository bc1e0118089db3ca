"""What a worker's interpreter runs first, by the path of this file: it makes the caller's own loader importable.

Nothing else of the caller's packages becomes visible: the folder of the loader is not put on `sys.path`.
"""

from __future__ import annotations

import importlib.util
import os
import sys


def _make_importable(folder: str) -> None:
    spec = importlib.util.spec_from_file_location(
        "modelwheel_loader", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no loader in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["modelwheel_loader"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _make_importable(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from modelwheel_loader.isolated.worker_main import main

    main([int(number) for number in sys.argv[1:]])
