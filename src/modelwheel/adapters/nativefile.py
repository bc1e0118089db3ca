"""A model in its framework's own file format, which is no pickle, and what opening it needs."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelwheel_loader.errors import DependencyError
from modelwheel_loader.opening.manifest import Requirement
from modelwheel_loader.opening.names import normalize_name
from modelwheel_loader.run.environment import file_specifier_for, python_specifier, specifier_for
from modelwheel_loader.run.pickle_names import Reference
from modelwheel_loader.text import clip

from ..capturing.capture import import_defects, local_defects, reasons_of
from ..capturing.sources import NO_SOURCES, Sources
from ..origins import Origins

Setting = str | float | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeFile:
    """The bytes of a model in one of the formats of `modelwheel_loader.opening.manifest`.

    `modules` are the top-level modules that open it, each with the reason; `settings` is what the file does not hold
    and the opener needs. `references` are the classes and functions that a file of objects names: their distributions
    are needed as for a pickle. `reproducible` is false where the framework writes other bytes of the same model.
    """

    format: str
    data: bytes
    modules: Mapping[str, str]
    settings: Mapping[str, Setting | list[Setting]] = field(default_factory=dict)
    references: Sequence[Reference] = ()
    reproducible: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class CapturedFile:
    """A file, the distributions that open it and feed it, and the source that travels beside it."""

    file: NativeFile
    requires: tuple[Requirement, ...]
    sources: Sources = NO_SOURCES

    @property
    def python_specifier(self) -> str:
        """The Pythons that open it: all, where no source travels, for it holds no code."""
        return python_specifier(platform.python_version(), by_value=False, source=bool(self.sources.modules))


def capture_file(
    file: NativeFile, also: Mapping[str, str], origins: Origins, sources: Sources = NO_SOURCES
) -> CapturedFile:
    """Find what `file` needs: its modules, what it and `sources` refer to, and the distributions of `also`.

    Raises DependencyError when a module is of no installed distribution, or the file refers to code that no other
    machine has: such a file cannot hold any.
    """
    defects = [*local_defects(file.references, file.format, origins), *import_defects(sources, origins)]
    if defects:
        raise DependencyError("the model refers to code that no other machine has", defects)
    found: dict[str, Requirement] = {}
    for module, reason in file.modules.items():
        owner = origins.distribution(module)
        if owner is None:
            message = f"no installed distribution provides {clip(module)}, which {clip(reason)}"
            raise DependencyError.of("pack.dependency", message)
        specifier = file_specifier_for(owner.name, owner.version)
        found[owner.name] = Requirement(name=owner.name, version=owner.version, specifier=specifier, reason=reason)
    referred = reasons_of(file.references, sources.imports, origins, f"the {file.format} file")
    for name, reason in {**referred, **also}.items():
        installed = origins.installed[normalize_name(name)]
        specifier = specifier_for(installed.name, installed.version)
        requirement = Requirement(name=installed.name, version=installed.version, specifier=specifier, reason=reason)
        found.setdefault(installed.name, requirement)
    return CapturedFile(file=file, requires=tuple(found[name] for name in sorted(found)), sources=sources)
