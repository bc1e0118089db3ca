"""Replays a draft in an interpreter of its own: another folder, no `__main__` of the author's, a second number of rows.

It starts early, so that it imports the model's libraries while `pack` records and converts, and replays while the
lock is made.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelwheel_loader import errors
from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.isolated import HIDDEN, find, probe
from modelwheel_loader.opening import Requirement, normalize_name
from modelwheel_loader.run import specifier_for
from modelwheel_loader.text import clip

from ..capturing.capture import Captured
from ..inference.infer import Note
from ..origins import Installed, Origins, is_standard

LOADER = "modelwheel_loader"
PATIENCE = 600.0
"""Seconds that the interpreter has for the replay."""
IMPORTED = "imported while answering"
_BOOT = Path(__file__).with_name("fresh_boot.py")
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/lib", "/usr/lib", "/usr/share/", "/etc/ld.so", "/etc/localtime")
"""Files of the operating system that say nothing of the model."""
_HINT = (
    "Here it works by what only this process or this disk has. Keep that in the model, or let it travel: "
    "Dependencies(code=(…,), add=(…,)). Options(replay='here') leaves this replay out."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Few:
    """A second number of rows: the document of the input, and that of each method's answer by the original."""

    rows: int
    input: bytes
    answers: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the replay showed: the words of the report, distributions that were imported, and notes."""

    text: str
    imported: tuple[Requirement, ...] = ()
    notes: tuple[Note, ...] = ()

    def declared(self, captured: Captured | str | None) -> Captured | str | None:
        """The native payload with the distributions that were imported among those that it needs."""
        if not self.imported or not isinstance(captured, Captured):
            return captured
        requires = sorted((*captured.requires, *self.imported), key=lambda item: item.name)
        return replace(captured, requires=tuple(requires))


HERE = Seen(text="in this process alone: Options(replay='here')")
NOWHERE = Seen(text="in this process alone: no Python to start a fresh one with was found")


def interpreter() -> str | None:
    """An interpreter of this version, found by the prefixes of this one: `sys.executable` may be an application."""
    version = platform.python_version()
    inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    own = [
        *(os.path.join(prefix, *inside) for prefix in (sys.prefix, sys.base_prefix)),
        getattr(sys, "_base_executable", ""),
        sys.executable,
    ]
    for path in dict.fromkeys(filter(None, own)):
        if os.path.basename(path).lower().startswith("python") and os.access(path, os.X_OK):
            python = probe(path)
            if python is not None and python.version == version:
                return str(path)
    found = find((f"=={version}",), version)
    other = "" if found is None else str(found.path)
    return other if os.path.basename(other).lower().startswith("python") else None


class Fresh:
    """The interpreter, which has begun to import `modules`."""

    def __init__(self, python: str, folder: Path, modules: Sequence[str], origins: Origins) -> None:
        self.folder = folder
        self.origins = origins
        self._log = (folder / "log").open("w+b")
        work = folder / "work"
        work.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        self._process = subprocess.Popen(  # noqa: S603 - an interpreter of this installation
            [python, "-I", "-B", "-X", "utf8", str(_BOOT), str(_loader())],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            cwd=work,
            env=environment | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(work)),
        )
        self._send({"paths": _site_folders(origins), "modules": list(modules)})

    def ask(self, write: Callable[[Any], object], name: str, kind: str, few: Few | None) -> None:
        """Let it replay the bundle that `write` writes."""
        bundle = self.folder / name
        with bundle.open("wb") as stream:
            write(stream)
        job: dict[str, Any] = {"bundle": str(bundle), "kind": kind, "result": str(self._result), "few": {}}
        if few is not None:
            job |= {"input": str(self.folder / "input"), "rows": few.rows}
            (self.folder / "input").write_bytes(few.input)
            for method, answer in few.answers.items():
                job["few"][method] = str(self.folder / f"answer-{method}")
                (self.folder / f"answer-{method}").write_bytes(answer)
        self._send(job)

    def answer(self, needed: Iterable[Requirement]) -> Seen:
        """What it saw. Raises `PackError` for what does not work, or works by what stays behind."""
        said = f"in a fresh Python {platform.python_version()}, in another folder"
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return Seen(text=f"in this process alone: {said} it did not end within {PATIENCE:g} seconds")
        if not self._result.exists():
            self._log.seek(0)
            words = clip(self._log.read()[-1000:].decode("utf-8", "replace").strip(), 500)
            raise _elsewhere([_defect(f"the interpreter ended with status {status}: {words}")])
        result = json.loads(self._result.read_text("utf-8"))
        defects = [_defect(clip(" ".join(words.split()), 600), where=step) for step, words in result["wrong"]]
        left_behind, others = _files(result["opened"], self.folder, self.origins)
        defects += [
            _defect(f"the model opens {clip(path, 200)}, which stays on this disk", where=path) for path in left_behind
        ]
        owners, local = _imported(result["imported"], needed, self.origins)
        defects += [_defect(f"the model imports {clip(name)}, which nobody else can get") for name in local]
        if defects:
            raise _elsewhere(defects)
        notes = tuple(_file_notes(others))
        return Seen(text=f"{said}, for two numbers of rows", imported=tuple(map(_requirement, owners)), notes=notes)

    @property
    def _result(self) -> Path:
        return self.folder / "result.json"

    def _send(self, document: object) -> None:
        stream = self._process.stdin
        with contextlib.suppress(OSError):  # it has ended: `answer` says why
            if stream is not None:
                stream.write(json.dumps(document).encode() + b"\n")
                stream.flush()

    def close(self) -> None:
        """End the interpreter."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(OSError):
            self._process.communicate()
        self._log.close()


@contextlib.contextmanager
def started(modules: Sequence[str], origins: Origins) -> Iterator[Fresh | None]:
    """A fresh interpreter, in a folder that goes away; None where none was found or can be started."""
    python = interpreter()
    with tempfile.TemporaryDirectory(prefix="modelwheel-", ignore_cleanup_errors=True) as folder:
        try:
            fresh = None if python is None else Fresh(python, Path(folder).resolve(), modules, origins)
        except OSError:
            fresh = None
        try:
            yield fresh
        finally:
            if fresh is not None:
                fresh.close()


def _loader() -> Path:
    return Path(errors.__file__).resolve().parent


def _site_folders(origins: Origins) -> list[str]:
    """The folders of the path in which distributions are installed; not those of scripts, notebooks or PYTHONPATH."""
    folders = {item.folder for item in origins.installed.values() if item.from_index}
    return [path for path in sys.path if path and os.path.realpath(path) in folders]


def _elsewhere(defects: Sequence[Defect]) -> PackError:
    return PackError("the model does not answer in a fresh interpreter as it does here", defects)


def _defect(message: str, where: str = "") -> Defect:
    return Defect(code="pack.elsewhere", message=message, where=where, hint=_HINT)


# --- files ---


def _files(opened: Iterable[str], own: Path, origins: Origins) -> tuple[list[str], list[str]]:
    """The files that stay behind, below the author's folders, and those of the machine."""
    ours = _folders(own, sys.prefix, _loader(), *_standard())
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    author = _folders(os.getcwd(), tempfile.gettempdir(), *([os.path.dirname(script)] if script else []))
    home = os.path.expanduser("~") + os.sep + "."  # caches and settings of libraries
    left_behind: list[str] = []
    others: list[str] = []
    for path in opened:
        real = os.path.realpath(path)
        if not os.path.isfile(real) or real.startswith((*ours, *_SYSTEM)) or _is_installed(real, origins):
            continue
        mine = real.startswith(author) and not real.startswith(home)
        (left_behind if mine else others).append(path)
    return left_behind, others


def _folders(*paths: object) -> tuple[str, ...]:
    """The folders with a separator behind; the root, below which everything lies, says nothing."""
    real = (os.path.realpath(str(path)) for path in paths if path)
    return tuple(path + os.sep for path in real if path != os.path.dirname(path))


def _standard() -> list[str]:
    return [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]


def _is_installed(file: str, origins: Origins) -> bool:
    beside = any(f"{os.sep}{name}{os.sep}" in file for name in ("site-packages", "dist-packages"))
    return beside or any(item.owns(file) for item in origins.installed.values())


def _file_notes(paths: Sequence[str]) -> Iterator[Note]:
    if paths:
        named = clip(", ".join(paths), 300)
        message = f"{named}: opened while answering; what C libraries open by a path of their own is untested"
        yield Note(code="opened", message=message)


# --- imports ---


def _imported(
    imported: Iterable[Sequence[Any]], needed: Iterable[Requirement], origins: Origins
) -> tuple[list[Installed], list[str]]:
    """The distributions that were imported and not declared, and the modules of none.

    What an installed library imports by itself is the business of its own metadata.
    """
    known = _closure(item.name for item in needed)
    owners: dict[str, Installed] = {}
    local = []
    for name, file, importer in imported:
        standard = str(file).startswith(_folders(*_standard())) and not _is_installed(str(file), origins)
        if standard or is_standard(name) or name in origins.carried or (importer and _is_installed(importer, origins)):
            continue
        if importer.startswith(str(_loader()) + os.sep) or name == LOADER:
            continue
        owner = _owner(name, file, origins)
        if owner is None:
            local += [name] if file else []
        elif owner.name not in known:
            owners[owner.name] = owner
    return list(owners.values()), local


def _owner(name: str, file: str | None, origins: Origins) -> Installed | None:
    if file is None:
        return origins.provider(name)
    real = os.path.realpath(file)
    owner = next((item for item in origins.installed.values() if item.owns(real)), None)
    return owner if owner is not None and (owner.from_index or owner.name in origins.published) else None


def _closure(names: Iterable[str]) -> set[str]:
    """The distributions, and all that they need by their metadata, without extras."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement as Wanted

    waiting, known = ["modelwheel", "numpy", "packaging", *names], set()
    while waiting:
        name = normalize_name(waiting.pop())
        if name in known:
            continue
        known.add(name)
        with contextlib.suppress(PackageNotFoundError):
            wanted = map(Wanted, requires(name) or ())
            waiting += [item.name for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    return known


def _requirement(owner: Installed) -> Requirement:
    specifier = specifier_for(owner.name, owner.version)
    return Requirement(name=owner.name, version=owner.version, specifier=specifier, reason=IMPORTED)
