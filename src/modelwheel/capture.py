"""Which distributions a pickle needs, read from its opcodes and mapped by installed metadata, each with its reason.

Modules that no distribution provides are local code: they are packed by value, and what cannot be is refused with a
list, so that nothing by reference slips through to a machine that does not have it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from modelwheel_loader.errors import Defect, DependencyError
from modelwheel_loader.manifest import Requirement
from modelwheel_loader.names import normalize_name
from modelwheel_loader.picklescan import COMPUTED, Reference, references
from modelwheel_loader.rules import python_specifier, specifier_for
from modelwheel_loader.text import clip

from .origins import MAIN, Origins, is_importable, is_standard
from .pickling import Pickled, dump

_MEMBER = "model.pkl"
_BASE = "modelwheel"
"""What every bundle requires anyway, so that no runtime has to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """A pickle, what it needs, whether it holds code by value, and the local modules that it holds so."""

    pickled: Pickled
    requires: tuple[Requirement, ...]
    by_value: bool
    local_modules: tuple[str, ...]

    @property
    def python_version(self) -> str:
        """The Python that made the pickle."""
        return platform.python_version()

    @property
    def python_specifier(self) -> str:
        """The Pythons that load it."""
        return python_specifier(self.python_version, by_value=self.by_value)


def capture(model: object, also: Mapping[str, str] | None = None, origins: Origins | None = None) -> Captured:
    """Pickle `model` and find what it needs.

    `also` names further distributions that the caller knows of, with the reason for each: the one whose frames the
    model is fed, for example. `origins` are those of what is installed, when they are known.

    Raises PackError when the model cannot be pickled, and DependencyError with the list of what it refers to and no
    other machine would have.
    """
    origins = origins or Origins()
    pickled = dump(model, origins)
    found = references(pickled.stream)
    reasons = dict(_reasons(found, origins)) | dict(_import_reasons(pickled.imports, origins))
    defects = [*_by_reference(found, origins), *_local_imports(pickled.imports, origins)]
    if defects:
        raise DependencyError("the model refers to code that no other machine has", defects)
    for name, reason in (also or {}).items():
        reasons.setdefault(normalize_name(name), reason)
    return Captured(
        pickled=pickled,
        requires=tuple(_requirement(name, reasons[name], origins) for name in sorted(reasons) if name != _BASE),
        by_value=bool(pickled.by_value),
        local_modules=tuple(_local_modules(pickled.by_value.values(), origins)),
    )


# --- what installed distributions provide ---


def _reasons(found: Iterable[Reference], origins: Origins) -> Iterator[tuple[str, str]]:
    """Each distribution with the first reference into it."""
    seen = set()
    for reference in found:
        owner = None if is_standard(reference.module) else origins.distribution(reference.module)
        if owner is not None and owner.name not in seen:
            seen.add(owner.name)
            yield owner.name, f"{clip(reference, 160)} in {_MEMBER}"


def _import_reasons(imports: Mapping[str, str], origins: Origins) -> Iterator[tuple[str, str]]:
    for module, function in imports.items():
        owner = None if is_standard(module) else origins.distribution(module)
        if owner is not None:
            yield owner.name, f"import {clip(module, 80)} in {clip(function, 80)}"


def _requirement(name: str, reason: str, origins: Origins) -> Requirement:
    installed = origins.installed.get(name)
    if installed is None:
        raise DependencyError.of("pack.dependency", f"{clip(name)} is not installed; it is needed for {clip(reason)}")
    specifier = specifier_for(name, installed.version)
    return Requirement(name=name, version=installed.version, specifier=specifier, reason=reason)


def distribution_requirement(name: str, specifier: str, reason: str) -> Requirement:
    """The requirement of an installed distribution whose range does not follow from the rule table."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Requirement(name=name, version=version(name), specifier=specifier, reason=reason)
    except PackageNotFoundError as error:
        message = f"{clip(name)} is not installed; it is needed for {clip(reason)}"
        raise DependencyError.of("pack.dependency", message) from error


# --- what nobody else has ---


def _local_modules(modules: Iterable[str], origins: Origins) -> list[str]:
    return [name for name in dict.fromkeys(modules) if name not in MAIN and origins.is_local(name)]


def _by_reference(found: Iterable[Reference], origins: Origins) -> Iterator[Defect]:
    """References into local modules that by-value packing could not avoid: objects that pickle as a name."""
    for reference in found:
        if reference.module != COMPUTED and origins.is_local(reference.module):
            yield Defect(
                code="pack.dependency",
                message=f"the model refers to {clip(reference, 160)}, which no installed distribution provides",
                where=_MEMBER,
                hint=f"Make {clip(reference.module)} part of an installed package, or keep it out of the model.",
            )


def _local_imports(imports: Mapping[str, str], origins: Origins) -> Iterator[Defect]:
    """Imports inside packed functions that will fail elsewhere; what cannot be imported here either is not needed."""
    for module, function in imports.items():
        relative = module.startswith(".")
        if relative or (origins.is_local(module) and is_importable(module)):
            yield Defect(
                code="pack.dependency",
                message=f"{clip(function, 80)} imports {clip(module, 80)}, which no installed distribution provides",
                where=_MEMBER,
                hint=f"Import {clip(module)} at the top of the file with the function: then it is packed too.",
            )
