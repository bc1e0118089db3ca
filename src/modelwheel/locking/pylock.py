"""Writes `pylock.toml` (PEP 751): the same packages give the same bytes, and nothing in it is of this machine.

Of what a resolver answers, names, versions, markers, and the names, sizes and SHA-256 of files are kept. Addresses are
kept as hints, without user, password, query and fragment; a file of this machine becomes its bare name.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from modelwheel_loader.opening import normalize_name
from modelwheel_loader.text import clip

from .resolvers import Unresolved

CREATED_BY = "modelwheel"
_OWN = "modelwheel"
"""Never in a lock: a worker runs its caller's own loader."""


def write_pylock(
    packages: Iterable[Mapping[str, Any]],
    *,
    requires_python: str,
    environments: Sequence[str],
    groups: Sequence[str] = (),
) -> bytes:
    """The lock of these packages. `environments` are the markers of the platforms that it is for; none for all.

    `groups` are the dependency groups to which markers refer; whoever asks for none gets all. Raises `Unresolved` for
    what has no file of an index with a SHA-256.
    """
    entries = sorted(filter(None, map(_entry, packages)), key=lambda entry: (entry["name"], entry.get("marker", "")))
    head = [f'lock-version = "1.0"\ncreated-by = {_toml(CREATED_BY)}\nrequires-python = {_toml(requires_python)}\n']
    if environments:
        head.append(f"environments = [{', '.join(map(_toml, environments))}]\n")
    if groups:
        names = f"[{', '.join(map(_toml, groups))}]"
        head.append(f"dependency-groups = {names}\ndefault-groups = {names}\n")
    if not entries:
        head.append("packages = []\n")
    data = "".join(head + [line for entry in entries for line in _lines(entry)]).encode("utf-8")
    return checked(data)


def checked(data: bytes) -> bytes:
    """`data` when it is a lock by PEP 751, as `packaging.pylock` judges; raises `Unresolved`."""
    try:
        from packaging.pylock import Pylock, PylockValidationError
    except ImportError:
        raise Unresolved("packaging 26 or newer is needed to judge it", 'pip install "modelwheel[pack]"') from None
    try:
        Pylock.from_dict(tomllib.loads(data.decode("utf-8"))).validate()
    except (ValueError, PylockValidationError) as error:
        raise Unresolved("it is not a lock as PEP 751 defines it", clip(error, 300)) from error
    return data


def _entry(package: Mapping[str, Any]) -> dict[str, Any] | None:
    name = normalize_name(str(package["name"]))
    if name == _OWN:
        return None
    if "version" not in package or not ("wheels" in package or "sdist" in package):
        raise Unresolved(f"{clip(name, 100)} comes from no index")
    entry: dict[str, Any] = {"name": name, "version": str(package["version"])}
    if package.get("marker"):
        entry["marker"] = str(package["marker"])
    if "index" in package:
        entry["index"] = _address(str(package["index"])) or None
    if "sdist" in package:
        entry["sdist"] = _file(name, package["sdist"])
    wheels = [_file(name, wheel) for wheel in package.get("wheels", ())]
    # the same file may be in a folder and on the index: keep the address that others can reach
    unique = {wheel["name"]: wheel for wheel in sorted(wheels, key=lambda wheel: "url" in wheel)}
    if unique:
        entry["wheels"] = [unique[file] for file in sorted(unique)]
    return {key: value for key, value in entry.items() if value is not None}


def _file(name: str, file: Mapping[str, Any]) -> dict[str, Any]:
    sha256 = file.get("hashes", {}).get("sha256")
    if not isinstance(sha256, str):
        raise Unresolved(f"the index gives no SHA-256 for a file of {clip(name, 100)}")
    given = str(file.get("url") or file.get("path"))
    address = _address(given)
    base = str(file.get("name") or unquote(PurePosixPath(urlsplit(given).path.replace("\\", "/")).name))
    place = {"url": address} if address else {"path": base}
    size = {"size": file["size"]} if "size" in file else {}
    return {"name": base, **place, **size, "hashes": {"sha256": sha256}}


def _address(url: str) -> str:
    """An address without what only this machine or this user has; nothing for a file of this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


# --- TOML ---


def _lines(entry: Mapping[str, Any]) -> Iterator[str]:
    yield "\n[[packages]]\n"
    for key, value in entry.items():
        if key == "wheels":
            yield "wheels = [\n"
            yield from (f"    {_toml(wheel)},\n" for wheel in value)
            yield "]\n"
        else:
            yield f"{key} = {_toml(value)}\n"


def _toml(value: Any) -> str:
    """Texts, integers, and tables of them. JSON's texts are TOML's, but for DEL."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
