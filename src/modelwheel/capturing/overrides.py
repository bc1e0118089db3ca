"""What the author says of the dependencies, over what was found: added, dropped, replaced."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwheel_loader.errors import Defect, DependencyError, UsageError
from modelwheel_loader.opening import Requirement, normalize_name
from modelwheel_loader.run import satisfies, specifier_for
from modelwheel_loader.text import clip, nearest

from ..options import Dependencies
from ..origins import Origins

if TYPE_CHECKING:
    from packaging.requirements import Requirement as Wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """The author's words, read: requirements to add, names to drop, and requirements in place of names."""

    add: tuple[Wanted, ...] = ()
    drop: tuple[str, ...] = ()
    replace: Mapping[str, Wanted]

    @property
    def published(self) -> frozenset[str]:
        """Distributions that others can get, as the author says, wherever they were installed from here."""
        return frozenset(normalize_name(item.name) for item in (*self.add, *self.replace.values()))

    def within(self, names: Container[str]) -> Overrides:
        """The overrides without those of distributions that are not among `names`."""
        kept = {name: wanted for name, wanted in self.replace.items() if name in names}
        return replace(self, drop=tuple(name for name in self.drop if name in names), replace=kept)


def read_overrides(settings: Dependencies) -> Overrides:
    """The overrides in `settings`; raises DependencyError for what is no plain requirement."""
    for name in ("add", "drop", "code", "find_links"):
        if isinstance(getattr(settings, name), str | os.PathLike):
            expected = f"a tuple of them: Dependencies({name}=(…,))"
            raise UsageError.of("usage.argument", f"{name} cannot be one text", expected=expected)
    defects: list[Defect] = []
    made = Overrides(
        add=tuple(_read(settings.add, defects)),
        drop=tuple(map(normalize_name, settings.drop)),
        replace=dict(
            zip(map(normalize_name, settings.replace), _read(settings.replace.values(), defects), strict=False)
        ),
    )
    if defects:
        raise DependencyError("the dependencies that were given cannot be used", defects)
    return made


def _read(texts: Iterable[str], defects: list[Defect]) -> Iterator[Wanted]:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Wanted

    for text in texts:
        try:
            wanted = Wanted(text)
        except InvalidRequirement as error:
            defects.append(_defect(f"{clip(text, 80)} is no requirement: {clip(error, 120)}"))
            continue
        if wanted.url or wanted.marker:
            defects.append(_defect(f"{clip(text, 80)} has an address or a marker, which a bundle cannot ask for"))
        else:
            yield wanted


def _defect(message: str, hint: str = "") -> Defect:
    return Defect(code="pack.dependency", message=message, hint=hint)


def override(found: Mapping[str, Requirement], overrides: Overrides, origins: Origins) -> dict[str, Requirement]:
    """`found` with the author's overrides; raises DependencyError for names that are not there."""
    made = dict(found)
    defects = [_unknown(name, found) for name in (*overrides.drop, *overrides.replace) if name not in found]
    for name in (*overrides.drop, *overrides.replace):
        made.pop(name, None)
    for name, wanted in overrides.replace.items():
        reason = found[name].reason if name in found and normalize_name(wanted.name) == name else f"in place of {name}"
        made[normalize_name(wanted.name)] = _requirement(wanted, reason, origins)
    for wanted in overrides.add:
        name = normalize_name(wanted.name)
        if name not in origins.installed:
            defects.append(
                _defect(f"{name} is to be added and is not installed", f"pip install {name}, and pack again.")
            )
            continue
        made[name] = _requirement(wanted, "added by the author", origins)
        for extra in sorted(wanted.extras):
            for brought in _brought(name, extra, origins, defects):
                made.setdefault(brought.name, brought)
    if defects:
        raise DependencyError("the dependencies that were given do not fit", defects)
    return made


def _unknown(name: str, found: Mapping[str, Requirement]) -> Defect:
    return _defect(f"{clip(name)} is not among what the model needs ({', '.join(found)})", nearest(name, list(found)))


def _requirement(wanted: Wanted, reason: str, origins: Origins) -> Requirement:
    """The requirement; the rule table gives the range where the author gave none."""
    name = normalize_name(wanted.name)
    installed = origins.installed.get(name)
    version = installed.version if installed else ""
    given = str(wanted.specifier)
    if version and given and not satisfies(version, given):
        raise DependencyError("the dependencies that were given do not fit", [_misfit(name, given, version)])
    return Requirement(
        name=name,
        version=version,
        specifier=given or (specifier_for(name, version) if version else ""),
        reason=reason,
    )


def _misfit(name: str, given: str, version: str) -> Defect:
    return Defect(
        code="pack.dependency",
        message=f"the {name} that is installed here is not in the range that was given",
        found=clip(version),
        expected=f"{name}{clip(given, 80)}",
        hint="Train and pack with a version of that range.",
    )


def _brought(name: str, extra: str, origins: Origins, defects: list[Defect]) -> Iterator[Requirement]:
    """What an extra of a distribution brings on this machine."""
    from importlib.metadata import metadata, requires

    from packaging.requirements import Requirement as Wanted
    from packaging.utils import canonicalize_name

    offered = {canonicalize_name(item) for item in metadata(name).get_all("Provides-Extra") or ()}
    if canonicalize_name(extra) not in offered:
        defects.append(_defect(f"{name} has no extra {clip(extra)}", f"It has {', '.join(sorted(offered)) or 'none'}."))
        return
    for text in requires(name) or ():
        wanted = Wanted(text)
        marker = wanted.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        needed = normalize_name(wanted.name)
        if needed in origins.installed:
            yield _requirement(Wanted(needed), f"{name}[{extra}]", origins)
        else:
            message = f"{needed}, of {name}[{clip(extra)}], is not installed"
            defects.append(_defect(message, f'pip install "{name}[{extra}]"'))
