"""Collects a bundle, its lock and its wheels in one folder that installs with `--no-index`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import UsageError, WriteError
from modelwheel_loader.run import LOCK, MOST_BYTES, folded, read_lock, requirements_of
from modelwheel_loader.show import written_beside
from modelwheel_loader.text import clip

from ..version import VERSION
from .fetching import fetch_locked, fetch_newest, missing, sha256_of
from .selecting import LockedWheel, select
from .targets import Target

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
