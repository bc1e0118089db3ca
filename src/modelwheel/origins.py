"""Where an imported module comes from: the standard library, an installed distribution, or nowhere that travels.

Found by the module's very file, looked up in the RECORD of what is installed; never guessed from names. What no
distribution provides (a helper beside the notebook) is local code.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from modelwheel_loader.opening import normalize_name

BASE = frozenset({"modelwheel", "modelwheel_loader"})
"""What every machine that loads a bundle has, also where a developer runs it from a source folder."""
MAIN = frozenset({"__main__", "__mp_main__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installed distribution: normalised name, version, and where its files lie."""

    name: str
    version: str
    folder: str
    record: str
    tops: frozenset[str]
    roots: tuple[str, ...]
    """Folders or files outside `folder` that an editable installation made importable."""
    from_index: bool
    """Whether others can get it by name and version: it was not installed from a folder, a file or a repository."""

    def owns(self, file: str) -> bool:
        """Whether `file`, a real path, belongs to it."""
        if file.startswith(self.folder + os.sep):
            relative = file[len(self.folder) + 1 :].replace(os.sep, "/")
            return relative.partition("/")[0] in self.tops and f"\n{relative}," in self.record
        return any(file == root or file.startswith(root + os.sep) for root in self.roots)


@dataclass(slots=False)
class Origins:
    """The origins of modules, remembered; make a new one when the installation may have changed.

    `published` are distributions that others can get, however they were installed here; `carried` the modules (their
    first names) whose source travels in the bundle.
    """

    published: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()
    known: dict[str, Installed | None] = field(default_factory=dict)

    @cached_property
    def installed(self) -> dict[str, Installed]:
        """Everything installed, by normalised name; where a name is there twice, the first on the path counts."""
        found: dict[str, Installed] = {}
        for distribution in distributions():
            headers = _headers(distribution)
            name = normalize_name(headers.get("Name", ""))
            if name and name not in found:
                found[name] = _installed(name, headers.get("Version", ""), distribution)
        return found

    def distribution(self, module: str) -> Installed | None:
        """The distribution whose file the module is, or None. A module without a file is as its package."""
        if module not in self.known:
            self.known[module] = self._find(module)
        return self.known[module]

    def is_local(self, module: str) -> bool:
        """Whether nobody else can get the module: neither Python, nor an index, nor the bundle's own source has it."""
        if is_standard(module) or module.partition(".")[0] in BASE | self.carried:
            return False
        return module in MAIN or self.provider(module) is None

    def provider(self, module: str) -> Installed | None:
        """The distribution that others install to have the module, or None."""
        owner = self.distribution(module)
        return owner if owner is not None and (owner.from_index or owner.name in self.published) else None

    def _owner(self, file: str) -> Installed | None:
        real = os.path.realpath(file)
        return next((item for item in self.installed.values() if item.owns(real)), None)

    def _find(self, module: str) -> Installed | None:
        loaded = sys.modules.get(module)
        file = getattr(loaded, "__file__", None)
        if isinstance(file, str):
            return self._owner(file)
        parent = module.rpartition(".")[0]
        if parent:
            return self.distribution(parent)
        spec = _spec(module)
        if spec is not None and spec.has_location and spec.origin:
            return self._owner(spec.origin)
        if spec is None or spec.submodule_search_locations is None:
            return None  # made by hand in this process, or not here at all
        owners = [item for item in self.installed.values() if module in item.tops]
        return owners[0] if len(owners) == 1 else None


def is_importable(module: str) -> bool:
    """Whether the top-level package of `module` can be imported here; nothing is imported to find out."""
    return _spec(module.partition(".")[0]) is not None


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):  # ValueError: a module that was made by hand has no specification
        return None


def is_standard(module: str) -> bool:
    """Whether the module belongs to Python itself."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in sys.builtin_module_names


def _headers(distribution: Distribution) -> Message:
    """Of METADATA, without the description: `Distribution.metadata` reads all of it again each time it is asked."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("")
    return HeaderParser().parsestr((text or "").partition("\n\n")[0])


def _installed(name: str, version: str, distribution: Distribution) -> Installed:
    record = "\n" + (distribution.read_text("RECORD") or _egg_record(distribution)).replace('"', "")
    lines = record.split("\n")
    folder = os.path.realpath(str(distribution.locate_file("")))
    return Installed(
        name=name,
        version=version,
        folder=folder,
        record=record,
        tops=frozenset(line.partition("/")[0] if "/" in line else line.partition(",")[0] for line in lines if line),
        roots=tuple(_editable_roots(distribution, folder, lines)),
        from_index=_is_from_index(distribution),
    )


def _is_from_index(distribution: Distribution) -> bool:
    """By `direct_url.json` (PEP 610). Packages of conda have one as well, which names the folder of their build."""
    if distribution.read_text("direct_url.json") is None:
        return True
    return (distribution.read_text("INSTALLER") or "").strip() == "conda"


def _egg_record(distribution: Distribution) -> str:
    """Lines like RECORD's for installations of old, which have another list of files."""
    return "".join(f"{file},,\n" for file in distribution.files or ())


def _editable_roots(distribution: Distribution, folder: str, lines: list[str]) -> list[str]:
    """What an editable installation makes importable: the lines of its `.pth` file, or the map of its import hook."""
    text = distribution.read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return []
    project = os.path.realpath(url2pathname(urlsplit(origin.get("url", "")).path))
    roots: list[str] = []
    for line in lines:
        file = line.partition(",")[0]
        if file.endswith(".pth") and "/" not in file:
            roots += _pth_roots(Path(folder, file), project)
        hook = sys.modules.get(file.removesuffix(".py"))
        roots += [os.path.realpath(path) for path in getattr(hook, "MAPPING", {}).values()]
    return [path for root in roots for path in (root, root + ".py")]


def _pth_roots(path: Path, project: str) -> list[str]:
    """The packages below the folders that a `.pth` file names.

    A folder that is the whole project also holds notebooks and their helpers, so only its packages count.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return []
    found: list[str] = []
    for line in lines:
        if not line.strip() or line.startswith(("#", "import")):
            continue
        folder = os.path.realpath(line.strip())
        packages = [str(file.parent) for file in Path(folder).glob("*/__init__.py")]
        found += packages if folder == project else [folder]
    return found
