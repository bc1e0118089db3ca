"""From the lock of a bundle (`pylock.toml`, PEP 751) to the lines of a requirements file, hashes included.

A lock for several runtimes marks the packages that only one of them needs by PEP 751's dependency groups:
`marker = "'onnx' in dependency_groups"`, and possibly `and (…)`. A lock without groups is for all runtimes.

Only name, version, marker and hashes are used, not the addresses of files: they come from the package index of the
building machine. Whatever is not in the plain form is refused, because pip and uv get these lines.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, UsageError
from ..opening.names import normalize_name
from ..records import Record
from ..text import clip, safe, shown

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import Manifest, Payload


LOCK = "pylock.toml"
"""The member of a bundle that holds its lock."""
MOST_BYTES = 1 << 24

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,200}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,100}")
# a blank before a dash would begin an option
_MARKER = re.compile(r"""(?!-)(?!.* -)[\w .'"<>=!~()+*-]{1,2000}""", re.ASCII)
_GROUP = re.compile(r"'([a-z]{1,20})' in dependency_groups(?: and \((.*)\))?")
_PYTHON = re.compile(r"[0-9a-z.*<>=!~, ]{0,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 5_000
_DEEPEST = 64
_MOST_ESCAPES = 10_000
# possessive, and an unclosed string ends with its line: linear, however a document tries to hide its keys
_QUOTED = re.compile(rb"""(?m)"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"|\\?$)|'[^'\n]*+(?:'|$)""")
_FOLD = " \\\n    --hash="


class LockedPackages(Record):
    """What a lock holds: the lines of requirements, one for each package, and the Python versions that it is for."""

    lines: tuple[str, ...]
    requires_python: str


def read_lock(data: bytes, runtime: str | None = None) -> LockedPackages:
    """The packages of a lock, or of one `runtime` of it; raises `InvalidBundle` with all defects."""
    document = parse_lock(data)
    packages = document.get("packages")
    if not isinstance(packages, list) or len(packages) > _MOST:
        raise InvalidBundle.of("isolated.lock", "the lock lists no packages", found=shown(packages))
    version, python = document.get("lock-version"), document.get("requires-python", "")
    defects: list[Defect] = []
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        defects.append(_defect("lock-version", version, "1.0"))
    if not isinstance(python, str) or not _PYTHON.fullmatch(python):
        defects.append(_defect("requires-python", python, "a range of versions"))
    lines = [_line(package, f"packages[{index}]", runtime, defects) for index, package in enumerate(packages)]
    if defects:
        raise InvalidBundle("the lock of the bundle cannot be used", defects)
    return LockedPackages(lines=tuple(filter(None, lines)), requires_python=str(python))


def parse_lock(data: bytes) -> dict[str, Any]:
    """The document in `data`; raises `InvalidBundle` for what is not TOML, or by its form not a lock.

    The work and memory of tomllib grow with the square of a key's parts: 80 kB of `a.a.a…` take half a minute and
    gigabytes. So keys of many parts are refused, and texts of several lines, in which one could hide. tomllib also
    copies a text at each escape; few locks have any.
    """
    if data.count(b"\\") > _MOST_ESCAPES:
        raise InvalidBundle.of("isolated.lock", f"the lock holds more than {_MOST_ESCAPES:,} backslashes")
    if b'"""' in data or b"'''" in data:
        raise InvalidBundle.of("isolated.lock", "the lock holds a text of several lines")
    if max(line.count(b".") for line in _QUOTED.sub(b"", data).split(b"\n")) > _DEEPEST:
        raise InvalidBundle.of("isolated.lock", f"a key of the lock has more than {_DEEPEST} parts")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidBundle.of("isolated.lock", f"the lock is not TOML: {clip(error, 200)}") from None


def divided(marker: str) -> tuple[str | None, str]:
    """The one runtime that needs a package by its `marker`, None for all, and the rest of the marker."""
    grouped = _GROUP.fullmatch(marker)
    return (grouped[1], grouped[2] or "") if grouped else (None, marker)


def for_runtime(runtime: str, marker: str) -> str:
    """The marker of a package that only `runtime` needs, where `marker` holds."""
    group = f"'{runtime}' in dependency_groups"
    return f"{group} and ({marker})" if marker else group


def _defect(where: str, found: object, expected: str) -> Defect:
    message = "has the wrong form for a lock"
    return Defect(code="isolated.lock", message=message, where=where, found=shown(found), expected=expected)


def _line(package: Any, where: str, runtime: str | None, defects: list[Defect]) -> str:
    """The line of a package; empty for one that `runtime` does not need."""
    if not isinstance(package, dict):
        defects.append(_defect(where, package, "a table"))
        return ""
    for key, pattern in (("name", _NAME), ("version", _VERSION), ("marker", _MARKER)):
        value = package.get(key, "" if key != "marker" else "''")
        if not isinstance(value, str) or not pattern.fullmatch(value):
            defects.append(_defect(f"{where}.{key}", value, f"a plain {key}"))
            return ""
    wheels = package.get("wheels", [])
    if not isinstance(wheels, list):
        defects.append(_defect(f"{where}.wheels", wheels, "a list"))
        wheels = []
    hashes = set()
    for item in (*wheels, *([package["sdist"]] if "sdist" in package else [])):
        of_file = item.get("hashes") if isinstance(item, dict) else None
        sha256 = of_file.get("sha256") if isinstance(of_file, dict) else None
        if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
            hashes.add(sha256)
        else:
            defects.append(_defect(f"{where}.hashes", sha256, "sha256: 64 hexadecimal digits"))
    if not hashes:
        defects.append(_defect(where, "no file of a registry", "wheels with SHA-256"))
    group, rest = divided(package.get("marker", ""))
    if runtime is not None and group not in (None, runtime):
        return ""
    marker = f" ; {rest}" if rest else ""
    return f"{package['name']}=={package['version']}{marker} " + " ".join(f"--hash=sha256:{i}" for i in sorted(hashes))


def requirements_of(manifest: Manifest, members: Members, runtime: str | None = None) -> str:
    """The lock of a bundle as a requirements file, for `pip install --require-hashes -r`, one hash a line.

    With `runtime`, only what that one needs. Raises `EnvironmentMismatch` when the lock is not for it.
    """
    kinds = [payload.kind for payload in manifest.runtimes]
    if runtime is not None and runtime not in kinds:
        message = f"{safe(manifest.name)} has no such runtime of its own"
        raise UsageError.of("usage.runtime", message, found=shown(runtime), expected=" or ".join(kinds))
    if LOCK not in manifest.members:
        why = "; ".join(item.reason for item in manifest.left_out if item.kind == "isolated")
        message = f"{safe(manifest.name)} holds no lock"
        raise EnvironmentMismatch.of("isolated.no-lock", f"{message}: {clip(why, 200)}" if why else message)
    lock = members.small(LOCK, limit=MOST_BYTES)
    absent = {payload.kind: _absent(payload, lock) for payload in manifest.runtimes}
    if runtime is not None and absent[runtime]:
        message = f"the lock of {safe(manifest.name)} is not for its {runtime} runtime: it holds no {absent[runtime]}"
        raise EnvironmentMismatch.of("isolated.no-lock", message)
    packages = read_lock(lock, runtime)
    served = [kind for kind in ([runtime] if runtime else kinds) if not absent[kind]]
    head = (
        f"# {safe(manifest.name)} {safe(manifest.version)}, to run {' and '.join(served) or 'nothing of it'}",
        f"# Python {packages.requires_python}".rstrip(),
    )
    return "".join(f"{line}\n" for line in (*head, *map(folded, packages.lines)))


def folded(requirement: str) -> str:
    """A requirement with hashes over several lines, as pip-compile and uv write it: a diff shows what changed."""
    return requirement.replace(" --hash=", _FOLD)


def unfolded(text: str) -> list[str]:
    """The requirements of a file that `requirements_of` made, each on one line."""
    return [line for line in text.replace(_FOLD, " --hash=").splitlines() if not line.startswith("#")]


def _absent(payload: Payload, lock: bytes) -> str:
    """What a runtime needs and the lock does not hold."""
    held = {normalize_name(line.partition("==")[0]) for line in read_lock(lock, payload.kind).lines}
    names = (clip(item.name, 100) for item in payload.requires if normalize_name(item.name) not in held)
    return ", ".join(names)
