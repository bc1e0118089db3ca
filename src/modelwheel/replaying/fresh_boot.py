"""What the fresh interpreter runs, by the path of this file: it imports, waits for a bundle, and replays it.

It reads two lines of JSON from standard input: what to import, then what to replay. It writes `result.json` into its
own folder. An audit hook names the files that are opened and the modules that are imported between the two.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from types import FrameType, ModuleType
from typing import Any


class Watch:
    """What is opened, and what is imported for the first time and by which file, while it is on.

    An audit hook sees files; imports are seen as the first finder, since `importlib.import_module` raises no event.
    """

    def __init__(self) -> None:
        self.on = False
        self.opened: dict[str, None] = {}
        self.imported: dict[str, str] = {}
        self.there: set[str] = set()

    def start(self) -> None:
        """From now on everything counts."""
        self.there = {name.partition(".")[0] for name in sys.modules}
        self.on = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook must not raise: what it raises would be the model's error."""
        if self.on and event in ("open", "sqlite3.connect") and isinstance(arguments[0], str | bytes):
            with contextlib.suppress(Exception):
                self.opened.setdefault(os.path.abspath(os.fsdecode(arguments[0])), None)

    def find_spec(self, name: str, *_: object) -> None:
        """Finds nothing, and remembers who asked."""
        top = name.partition(".")[0]
        if self.on and top not in self.there:
            self.imported.setdefault(top, _importer())


def _importer() -> str:
    """The file whose code imports: the nearest that is not Python's own; unpickling counts as nobody's."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the only way
    while frame is not None:
        file = frame.f_code.co_filename
        if file.endswith(f"{os.sep}pickle.py"):
            return ""
        if not file.startswith("<frozen") and f"{os.sep}importlib{os.sep}" not in file:
            return os.path.abspath(file) if os.path.isabs(file) else ""
        frame = frame.f_back
    return ""


def _replayed(job: dict[str, Any]) -> list[list[str]]:
    """What went wrong: the step and the words for it."""
    from modelwheel_loader.bundle import Bundle
    from modelwheel_loader.opening import DEFAULT, WheelFile
    from modelwheel_loader.proof import compare, decode_input, decode_output
    from modelwheel_loader.run import Trust

    wrong: list[list[str]] = []
    with Bundle(WheelFile(job["bundle"], DEFAULT)) as bundle:
        digest = Trust.digests(bundle.digest)
        with bundle.load(runtime=job["kind"], trust=digest, integrity="code") as model:
            failed = [step for step in model.check().steps if step.outcome == "failed"]
            wrong += [[step.name, "; ".join([step.detail, *map(str, step.defects)])] for step in failed]
            methods = {method.name: method for method in bundle.manifest.methods}
            for name, place in job["few"].items():
                method = methods[name]
                with open(job["input"], "rb") as stream:
                    rows = decode_input(stream.read(), bundle.schema, "the input")
                with open(place, "rb") as stream:
                    expected = decode_output(stream.read(), method.output, "the answer")
                found = getattr(model, name)(rows)
                within = compare(
                    expected, found, absolute=method.tolerance.absolute, relative=method.tolerance.relative
                ).within
                if method.deterministic and not within:
                    wrong.append([name, f"answers otherwise for another number of rows ({job['rows']})"])
    return wrong


def _line() -> Any:
    return json.loads(sys.stdin.readline() or "null")


def _run(watch: Watch) -> None:
    start = _line()
    if start is None:
        return
    sys.path += [path for path in start["paths"] if path not in sys.path]
    ours = (
        "bundle",
        "proof.comparison",
        "proof.examples",
        "proof.verification",
        "validate.building",
        "validate.inputs",
    )
    for name in [*(f"modelwheel_loader.{name}" for name in ours), *start["modules"]]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    job = _line()
    if job is None:
        return
    watch.start()
    try:
        wrong = _replayed(job)
    except Exception as error:  # noqa: BLE001 - the border to foreign code
        wrong = [[job["kind"], f"{type(error).__name__}: {error}"]]
    watch.on = False
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in watch.imported}
    imported = [[name, files[name], importer] for name, importer in watch.imported.items() if name in sys.modules]
    with open(job["result"], "w", encoding="utf-8", errors="backslashreplace") as stream:
        json.dump({"wrong": wrong, "opened": list(watch.opened), "imported": imported}, stream)


if __name__ == "__main__":
    import runpy

    _loader = sys.argv[1]
    runpy.run_path(os.path.join(_loader, "isolated", "worker_boot.py"))["_make_importable"](_loader)
    sys.modules["__main__"] = ModuleType("__main__")
    _watch = Watch()
    sys.addaudithook(_watch)
    sys.meta_path.insert(0, _watch)
    _run(_watch)
