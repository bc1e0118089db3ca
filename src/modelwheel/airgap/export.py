"""Collects a bundle, its lock and its wheels in one folder that installs with `--no-index`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import ResolutionError, UsageError, WriteError
from modelwheel_loader.isolated import find_uv
from modelwheel_loader.run import LOCK, MOST_BYTES, folded, read_lock, requirements_of
from modelwheel_loader.show import written_beside
from modelwheel_loader.text import clip, safe, without_secrets

from ..version import VERSION
from .targets import LockedWheel, Target, select

Progress = Callable[[str, int, int], None]
_OWN_NEEDS = ("packaging>=24.1",)
"""What modelwheel needs beside numpy, which every lock holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What an export did. `wheels` are the names of all wheels that the bundle needs, `added` of the new ones."""

    folder: Path
    requirements: Path
    lock: Path
    wheels: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def size(self) -> int:
        """The bytes of all wheels."""
        return sum((self.folder / name).stat().st_size for name in self.wheels)


def export(
    bundle: Bundle,
    folder: Path,
    targets: Sequence[Target],
    *,
    find_links: Sequence[Path] = (),
    no_index: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Put the wheel of `bundle`, its lock, modelwheel, and what both need on all `targets`, into `folder`.

    Nothing that is there and right is written again. Wheels come from the index for which pip is set up, with the
    hashes of the lock; `find_links` are folders of wheels to look into as well, and `no_index` looks nowhere else.
    Raises `EnvironmentMismatch` for a bundle without a lock, `ResolutionError` for wheels that are not to be had, and
    `WriteError`.
    """
    if bundle.kind != "wheel":
        message = "only the wheel file of a bundle can be exported"
        raise UsageError.of("usage.argument", message, found=f"{bundle.kind}: {clip(bundle.path, 200)}")
    members = bundle._members("always", None)  # noqa: SLF001 - the loader's own, for what reads whole members
    requirements = requirements_of(bundle.manifest, members)
    lock = members.small(LOCK, limit=MOST_BYTES)
    chosen = select(lock, targets)
    sources = [f"--find-links={path.absolute()}" for path in find_links] + (["--no-index"] if no_index else [])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own, more = _own_wheels(lock, targets[0], folder, sources)
        added = _collected(chosen, folder, sources, progress)
        stem = f"{bundle.name}-{bundle.version}"
        wheel = f"{bundle.name.replace('-', '_')}-{bundle.version}-py3-none-any.whl"  # whatever the file is called
        _copied(bundle.path, folder / wheel)
        lock_path = _written(folder / f"pylock.{stem.replace('.', '-')}.toml", lock)
        lines = [_pinned(folder / name) for name in (wheel, *own)]
        text = f"# pip install --no-index --find-links DIR --require-hashes -r DIR/{stem}.requirements.txt\n"
        path = _written(folder / f"{stem}.requirements.txt", (text + "".join(lines) + requirements).encode("utf-8"))
    except OSError as error:
        made = WriteError.of("write.failed", f"{clip(folder, 200)} cannot be written: {clip(error.strerror or error)}")
        made.errno = error.errno
        raise made from error
    wheels = sorted({wheel.file for wheels in chosen.values() for wheel in wheels} | set(own))
    return Exported(
        folder=folder, requirements=path, lock=lock_path, wheels=tuple(wheels), added=tuple(sorted({*added, *more}))
    )


def _collected(
    chosen: dict[Target, list[LockedWheel]], folder: Path, sources: Sequence[str], progress: Progress | None
) -> list[str]:
    """Download what is missing, target by target; the names of the files that came."""
    added: list[str] = []
    for number, (target, wheels) in enumerate(chosen.items()):
        if progress:
            progress(f"wheels for {target}", number, len(chosen))
        if absent := missing(wheels, folder):
            added += fetch_locked(absent, target, folder, sources)
    return added


def _own_wheels(lock: bytes, target: Target, folder: Path, sources: Sequence[str]) -> tuple[list[str], list[str]]:
    """The wheels of modelwheel and of what it needs beside the lock: all of them, and those that came now."""
    locked = {line.partition("==")[0] for line in read_lock(lock).lines}
    wanted = [f"modelwheel=={VERSION}", *(item for item in _OWN_NEEDS if Requirement(item).name not in locked)]
    present = {item: name for item in wanted if (name := _present(item, folder)) is not None}
    absent = [item for item in wanted if item not in present]
    came = fetch_newest(absent, target, folder, sources) if absent else []
    return sorted([*present.values(), *came]), came


def _present(requirement: str, folder: Path) -> str | None:
    """The newest wheel in the folder that satisfies the requirement."""
    wanted = Requirement(requirement)
    found = []
    for path in folder.glob("*.whl"):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if name == wanted.name and wanted.specifier.contains(version, prereleases=True):
            found.append((version, path.name))
    return max(found)[1] if found else None


def _pinned(path: Path) -> str:
    name, version, _, _ = parse_wheel_filename(path.name)
    return folded(f"{name}=={version} --hash=sha256:{sha256_of(path)}") + "\n"


def _copied(source: Path, target: Path) -> None:
    if not (target.is_file() and sha256_of(target) == sha256_of(source)):
        with source.open("rb") as stream, written_beside(target, lambda out: shutil.copyfileobj(stream, out)) as made:
            made.replace(target)


def _written(target: Path, data: bytes) -> Path:
    if not (target.is_file() and target.read_bytes() == data):
        with written_beside(target, lambda out: out.write(data)) as made:
            made.replace(target)
    return target


# --- downloading by pip, from the index for which it is set up here ---


_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input", "--progress-bar", "off")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing(wheels: Sequence[LockedWheel], folder: Path) -> list[LockedWheel]:
    """Those that are not in the folder, whole, already."""
    return [wheel for wheel in wheels if not _is_there(folder / wheel.file, wheel.sha256)]


def _is_there(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def fetch_locked(wheels: Sequence[LockedWheel], target: Target, folder: Path, sources: Sequence[str]) -> list[str]:
    """Download exactly these wheels; the names of the files that came."""
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in wheels]
    return _download(lines, ["--require-hashes"], target, folder, sources)


def fetch_newest(requirements: Sequence[str], target: Target, folder: Path, sources: Sequence[str]) -> list[str]:
    """Download what no lock pins; the names of the files that came."""
    return _download(requirements, [], target, folder, sources)


def _download(
    lines: Sequence[str], options: Sequence[str], target: Target, folder: Path, sources: Sequence[str]
) -> list[str]:
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
        requirements = Path(unfinished, "requirements.txt")
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        came = Path(unfinished, "wheels")
        command = [*_pip(), "download", *_QUIET, "--no-deps", "--only-binary", ":all:", *options, *_tags(target)]
        _run([*command, *sources, "--dest", str(came), "-r", str(requirements)])
        files = sorted(came.iterdir())
        for file in files:
            os.replace(file, folder / file.name)  # noqa: PTH105 - what is there already is not that file
    return [file.name for file in files]


def _pip() -> list[str]:
    """How pip is called: this environment's, else the one that uv brings."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = find_uv()
    if uv is None:
        message = "wheels are downloaded by pip, which is not here"
        raise ResolutionError.of("export.download", message, hint="Install pip, or uv, which brings it.")
    return [uv, "tool", "run", "--quiet", "pip"]


def _tags(target: Target) -> list[str]:
    abi = f"cp{target.python.replace('.', '')}"
    kinds = [
        "--implementation",
        "cp",
        "--python-version",
        target.python,
        "--abi",
        abi,
        "--abi",
        "abi3",
        "--abi",
        "none",
    ]
    return [*kinds, *(part for name in target.platforms for part in ("--platform", name))]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(  # noqa: S603 - pip, with checked arguments
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return
    said = without_secrets(done.stdout.decode("utf-8", "replace"))
    lines = [safe(line) for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    error = ResolutionError.of(
        "export.download", "pip could not download the wheels", found=clip(" ".join(complaints), 300)
    )
    error.add_note("\n".join(lines))
    raise error
