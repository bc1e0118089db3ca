"""A model in its framework's own file format, which is no pickle, and what opening it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwheel_loader.environments.rules import ANY_PYTHON, file_specifier_for, specifier_for
from modelwheel_loader.errors import DependencyError
from modelwheel_loader.manifest.records import Requirement
from modelwheel_loader.names import normalize_name
from modelwheel_loader.text import clip

from ..origins import Origins

Setting = str | float | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeFile:
    """The bytes of a model in one of the formats of `modelwheel_loader.manifest.formats`.

    `modules` are the top-level modules that open it, each with the reason; `settings` is what the file does not hold
    and the opener needs.
    """

    format: str
    data: bytes
    modules: Mapping[str, str]
    settings: Mapping[str, Setting | list[Setting]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CapturedFile:
    """A file, and the distributions that open it and feed it."""

    file: NativeFile
    requires: tuple[Requirement, ...]

    @property
    def python_specifier(self) -> str:
        """The Pythons that open it: all, for it holds no code."""
        return ANY_PYTHON


def capture_file(file: NativeFile, also: Mapping[str, str], origins: Origins) -> CapturedFile:
    """Find what `file` needs: its modules, and the distributions of `also`, each with the reason.

    Raises DependencyError when a module is of no installed distribution.
    """
    found: dict[str, Requirement] = {}
    for module, reason in file.modules.items():
        owner = origins.distribution(module)
        if owner is None:
            message = f"no installed distribution provides {clip(module)}, which {clip(reason)}"
            raise DependencyError.of("pack.dependency", message)
        specifier = file_specifier_for(owner.name, owner.version)
        found[owner.name] = Requirement(name=owner.name, version=owner.version, specifier=specifier, reason=reason)
    for name, reason in also.items():
        installed = origins.installed[normalize_name(name)]
        specifier = specifier_for(installed.name, installed.version)
        requirement = Requirement(name=installed.name, version=installed.version, specifier=specifier, reason=reason)
        found.setdefault(installed.name, requirement)
    return CapturedFile(file=file, requires=tuple(found[name] for name in sorted(found)))
