"""Which distributions a pickle needs, read from its opcodes and mapped by installed metadata, each with its reason.

Modules that nobody else can get are local code: its source travels when the author says so, else it is packed by
value, and what cannot be is refused with a list: nothing by reference slips through to a machine that lacks it.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from modelwheel_loader.errors import Defect, DependencyError, InvalidBundle
from modelwheel_loader.opening import Requirement, normalize_name
from modelwheel_loader.run import COMPUTED, Reference, file_specifier_for, python_specifier, references, specifier_for
from modelwheel_loader.text import clip

from ..options import Dependencies
from ..origins import MAIN, Origins, is_importable, is_standard
from ..pickling.dump import Pickled, dump, place_of
from .overrides import override, read_overrides
from .sources import NO_SOURCES, Sources, read_code

Setting = str | float | bool | None
_MEMBER = "model.pkl"
_BASE = "modelwheel"
"""What every bundle requires anyway, so that no runtime has to."""


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
    spans: tuple[tuple[int, int], ...] = field(default=(), init=False)
    mapped_bytes: int = field(default=0, init=False)

    @property
    def copied_bytes(self) -> int:
        """All of it is read into memory."""
        return len(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """A native payload: a pickle or a file of the framework, the distributions it needs, and the source beside it.

    A pickle may hold code by value; `local_modules` are the modules of that code.
    """

    content: Pickled | NativeFile
    requires: tuple[Requirement, ...]
    sources: Sources = NO_SOURCES
    by_value: bool = False
    local_modules: tuple[str, ...] = ()

    @property
    def python_specifier(self) -> str:
        """The Pythons that load it: all of them, where it holds no code and no source goes with it."""
        version = platform.python_version()
        return python_specifier(version, by_value=self.by_value, source=bool(self.sources.modules))


def origins_for(settings: Dependencies) -> Origins:
    """The origins of modules as the author sees them."""
    return Origins(
        published=read_overrides(settings).published,
        carried=frozenset(read_code(settings.code).tops),
    )


def capture(
    model: object,
    also: Mapping[str, str] | None = None,
    settings: Dependencies = Dependencies(),  # noqa: B008 - an immutable record
    origins: Origins | None = None,
) -> Captured:
    """Pickle `model` and find what it needs.

    `also` names further distributions that the caller knows of, with the reason for each: the one whose frames the
    model is fed, for example. `settings` are the author's words, `origins` those that follow from them, when known.

    Raises PackError when the model cannot be pickled, and DependencyError with the list of what it refers to and no
    other machine would have.
    """
    origins = origins or origins_for(settings)
    sources = read_code(settings.code)
    pickled = dump(model, origins)
    found = references_in(pickled)
    imports = {**pickled.imports, **sources.imports}
    defects = [*_by_reference(found, origins, model), *_local_imports(imports, origins, sources)]
    if defects:
        raise DependencyError("the model refers to code that no other machine has", defects)
    reasons = _reasons_of(found, imports, origins, _MEMBER)
    for name, reason in (also or {}).items():
        reasons.setdefault(normalize_name(name), reason)
    needed = {name: _requirement(name, reasons[name], origins) for name in sorted(reasons)}
    return Captured(
        content=pickled,
        requires=_overridden(needed, settings, origins),
        by_value=bool(pickled.by_value),
        local_modules=tuple(_local_modules(pickled.by_value.values(), origins)),
        sources=sources,
    )


def references_in(pickled: Pickled) -> tuple[Reference, ...]:
    """The names that the pickle, and those that are bytes in it, look up."""
    found = dict.fromkeys(references(pickled.stream))
    for data in pickled.nested:
        with contextlib.suppress(InvalidBundle):  # bytes that only look like one
            found |= dict.fromkeys(references(data))
    return tuple(found)


def capture_file(file: NativeFile, also: Mapping[str, str], settings: Dependencies, origins: Origins) -> Captured:
    """Find what `file` needs: its modules, what it and the author's source refer to, and the distributions of `also`.

    Raises DependencyError when a module is of no installed distribution, or the file refers to code that no other
    machine has: such a file cannot hold any.
    """
    sources = read_code(settings.code) if file.references else NO_SOURCES
    defects = [
        *_local_defects(file.references, file.format, origins),
        *_local_imports(sources.imports, origins, sources),
    ]
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
    referred = _reasons_of(file.references, sources.imports, origins, f"the {file.format} file")
    for name, reason in {**referred, **also}.items():
        found.setdefault(normalize_name(name), _requirement(normalize_name(name), reason, origins))
    return Captured(content=file, requires=_overridden(found, settings, origins), sources=sources)


def _overridden(found: Mapping[str, Requirement], settings: Dependencies, origins: Origins) -> tuple[Requirement, ...]:
    """The requirements by name, after the author's overrides."""
    made = override(found, read_overrides(settings), origins)
    return tuple(made[name] for name in sorted(made))


# --- what installed distributions provide ---


def _reasons_of(found: Iterable[Reference], imports: Mapping[str, str], origins: Origins, where: str) -> dict[str, str]:
    """The distributions that references in the member `where` and imports of code need, each with the reason."""
    made = dict(_reasons(found, origins, where)) | dict(_import_reasons(imports, origins))
    return {name: reason for name, reason in made.items() if name != _BASE}


def _reasons(found: Iterable[Reference], origins: Origins, where: str) -> Iterator[tuple[str, str]]:
    """Each distribution with the first reference into it."""
    seen = set()
    for reference in found:
        owner = None if is_standard(reference.module) else origins.provider(reference.module)
        if owner is not None and owner.name not in seen:
            seen.add(owner.name)
            yield owner.name, f"{clip(reference, 160)} in {where}"


def _import_reasons(imports: Mapping[str, str], origins: Origins) -> Iterator[tuple[str, str]]:
    for module, function in imports.items():
        owner = None if is_standard(module) else origins.provider(module)
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


def _why_local(module: str, origins: Origins) -> str:
    """Why nobody else can get the module, to follow its name."""
    owner = origins.distribution(module)
    if owner is None:
        return "which no installed distribution provides"
    return f"which {owner.name} provides, and that was installed here from a folder or a file, not from an index"


def _cure(module: str, origins: Origins, otherwise: str) -> str:
    owner = origins.distribution(module)
    if owner is None:
        return otherwise
    return f'If an index has {owner.name}, say so: Dependencies(add=("{owner.name}",)).'


def _local_defects(found: Iterable[Reference], form: str, origins: Origins) -> Iterator[Defect]:
    """References of a file of the format `form`, which holds no code, into modules that nobody else has."""
    for reference in found:
        if origins.is_local(reference.module):
            yield Defect(
                code="pack.dependency",
                message=f"the model refers to {clip(reference, 160)}, {_why_local(reference.module, origins)}",
                where=f"the {form} file, which holds no code",
                hint=_cure(
                    reference.module,
                    origins,
                    "Move it into a file of its own, and let that travel: Dependencies(code=(…,)).",
                ),
            )


_PLACES = 5
"""For how many defects the object is sought in the model, each time by pickling it again."""


def _by_reference(found: Iterable[Reference], origins: Origins, model: object) -> Iterator[Defect]:
    """References into local modules that by-value packing could not avoid: objects that pickle as a name."""
    local = [item for item in found if item.module != COMPUTED and origins.is_local(item.module)]
    for index, reference in enumerate(local):
        place = place_of(model, *reference, origins) if index < _PLACES else ""
        module = clip(reference.module)
        yield Defect(
            code="pack.dependency",
            message=f"the model refers to {clip(reference, 160)}, {_why_local(reference.module, origins)}",
            where=place or _MEMBER,
            hint=_cure(
                reference.module,
                origins,
                "Move it into a file of its own, and let that travel: Dependencies(code=(…,))."
                if reference.module in MAIN
                else f"Let its source travel, Dependencies(code=(…,)), or make {module} part of an installed package.",
            ),
        )


def _local_imports(imports: Mapping[str, str], origins: Origins, sources: Sources) -> Iterator[Defect]:
    """Imports inside packed code that will fail elsewhere; what cannot be imported here either is not needed."""
    for module, function in imports.items():
        relative = module.startswith(".")
        if relative or _is_missing(module, origins, sources):
            yield Defect(
                code="pack.dependency",
                message=f"{clip(function, 80)} imports {clip(module, 80)}, {_why_local(module, origins)}",
                where=_MEMBER if function not in sources.imports.values() else clip(function, 120),
                hint=_cure(
                    module,
                    origins,
                    f"Import {clip(module)} at the top of the file with the function: then it is packed too. "
                    "Or let the source of both travel: Dependencies(code=(…,)).",
                ),
            )


def _is_missing(module: str, origins: Origins, sources: Sources) -> bool:
    """Whether the module works here and will not elsewhere."""
    if module.partition(".")[0] in origins.carried:
        return module not in sources.modules and not _is_name_in(module, sources)
    return origins.is_local(module) and is_importable(module)


def _is_name_in(module: str, sources: Sources) -> bool:
    """`import a.b` where `b` is no module fails here too; what is meant may be made when `a` runs."""
    return module.rpartition(".")[0] in sources.modules
