"""Which distributions a pickle refers to, read from its opcodes and mapped by installed metadata, each with its reason.

Modules that no distribution provides are local code: they are pickled by value, so that nothing by reference slips
through to a machine that does not have them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from modelwheel_loader.errors import Defect, DependencyError
from modelwheel_loader.manifest import Requirement
from modelwheel_loader.names import normalize_name
from modelwheel_loader.picklescan import Reference, references
from modelwheel_loader.rules import specifier_for
from modelwheel_loader.text import clip

from .pickling import Pickled, dump

_MEMBER = "model.pkl"
_BY_VALUE = "cloudpickle"


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """A pickle, what it needs, whether it holds code by value, and the local modules that it holds so."""

    pickled: Pickled
    requires: tuple[Requirement, ...]
    by_value: bool
    local_modules: tuple[str, ...]


def capture(model: object, also: Mapping[str, str]) -> Captured:
    """Pickle `model` and find what it needs. `also` names further distributions with the reason for each.

    Raises `PackError` when it cannot be pickled, `DependencyError` with a list of what is referred to and not there.
    """
    providers = _providers()
    local: dict[str, None] = {}
    while True:
        with _by_value(local):
            pickled = dump(model)
        found = references(pickled.stream)
        fresh = [name for name in _local(found, providers) if name not in local]
        if not fresh:
            break
        local.update(dict.fromkeys(fresh))
    reasons = _reasons(found, providers) | {name: reason for name, reason in also.items()}
    requires = tuple(_requirement(name, reasons[name]) for name in sorted(reasons))
    by_value = any(reference.module.partition(".")[0] == _BY_VALUE for reference in found)
    return Captured(pickled=pickled, requires=requires, by_value=by_value, local_modules=tuple(local))


def _providers() -> dict[str, list[str]]:
    """Normalised names of the distributions that provide each top-level module."""
    from importlib.metadata import packages_distributions

    return {name: sorted({normalize_name(item) for item in items}) for name, items in packages_distributions().items()}


def _local(found: Iterable[Reference], providers: Mapping[str, list[str]]) -> Iterator[str]:
    """The top-level modules among the references that are neither the standard library's nor a distribution's."""
    missing = []
    for top in dict.fromkeys(reference.module.partition(".")[0] for reference in found):
        if top in sys.stdlib_module_names or top in providers or top in ("__main__", "?"):
            continue
        if top in sys.modules:
            yield top
        else:
            message = f"the module {clip(top)!r} is neither installed nor loaded"
            missing.append(Defect(code="pack.dependency", message=message))
    if missing:
        raise DependencyError("the model refers to modules that are not here", missing)


@contextlib.contextmanager
def _by_value(modules: Iterable[str]) -> Iterator[None]:
    """Have cloudpickle take these modules by value, for as long as it pickles this model."""
    if not modules:
        yield
        return
    import cloudpickle

    own = [name for name in modules if name not in cloudpickle.list_registry_pickle_by_value()]
    for name in own:
        cloudpickle.register_pickle_by_value(sys.modules[name])
    try:
        yield
    finally:
        for name in own:
            cloudpickle.unregister_pickle_by_value(sys.modules[name])


def _reasons(found: Iterable[Reference], providers: Mapping[str, list[str]]) -> dict[str, str]:
    """The first reference into each distribution, as the reason why it is needed."""
    reasons: dict[str, str] = {}
    for reference in found:
        top = reference.module.partition(".")[0]
        for name in _owners(reference.module, providers.get(top, [])):
            reasons.setdefault(name, f"{clip(reference.module, 80)}.{clip(reference.qualname, 80)} in {_MEMBER}")
    return reasons


def _owners(module: str, candidates: list[str]) -> list[str]:
    """The one of several distributions that share a top-level name whose file the module is; all when none tells."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if len(candidates) < 2 or path is None:
        return candidates
    from importlib.metadata import files

    tail = module.replace(".", "/")
    owners = [name for name in candidates if any(str(file).startswith(tail) for file in files(name) or ())]
    return owners or candidates


def _requirement(name: str, reason: str) -> Requirement:
    from importlib.metadata import version

    found = version(name)
    return Requirement(name=name, version=found, specifier=specifier_for(name, found), reason=reason)


def distribution_requirement(name: str, specifier: str, reason: str) -> Requirement:
    """The requirement of an installed distribution whose range does not follow from the rule table."""
    from importlib.metadata import version

    return Requirement(name=name, version=version(name), specifier=specifier, reason=reason)
