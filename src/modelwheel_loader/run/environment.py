"""Which versions of a distribution can load what another version wrote, and whether this interpreter satisfies that.

One table of rules makes the ranges of `Requires-Dist` and of the manifest, and the check before loading compares with
the manifest's ranges: what a resolver accepts, the loader accepts, and the other way round.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from ..defects import Defect
from ..text import clip

if TYPE_CHECKING:
    from packaging.version import Version

    from ..opening.manifest import Requirement


class Rule(Enum):
    """Which versions load what one version wrote."""

    SAME_MINOR = "the same minor version, at least this patch"
    SAME_MAJOR = "the same major version, at least this minor"
    NEWER = "this minor version or any newer one"


_GROUPS: tuple[tuple[Rule, str], ...] = (
    # Measured over 165 estimators: patch releases never broke a pickle, minor releases did, once without a warning.
    # Its maintainers promise nothing across versions.
    (Rule.SAME_MINOR, "scikit-learn"),
    # Its documentation: a pickled booster is a memory snapshot, good for the version that made it.
    (Rule.SAME_MINOR, "xgboost"),
    # Their estimators are scikit-learn's classes with private attributes of their own, which minors add and rename;
    # none promises to read older pickles, and each minor of scikit-learn makes them release one.
    (Rule.SAME_MINOR, "imbalanced-learn category-encoders feature-engine scikit-lego skrub sktime tslearn mlxtend"),
    (Rule.SAME_MINOR, "skorch umap-learn hdbscan statsmodels"),
    # Classes and private modules move between minors; their own formats are what they promise to read.
    (Rule.SAME_MINOR, "transformers sentence-transformers spacy"),
    # Saved objects follow Keras and TensorFlow minor by minor.
    (Rule.SAME_MINOR, "tensorflow tensorflow-cpu keras"),
    # Arrays load in every newer release; private paths in pickles (`numpy._core`) moved at 2.0, so majors are walls,
    # and random generators need at least the minor that wrote them.
    (Rule.SAME_MAJOR, "numpy"),
    # Sparse matrices and interpolators pickle as attributes under private paths, kept through a major.
    (Rule.SAME_MAJOR, "scipy"),
    # Semantic versions since 1.0; a pickle of a major does not load in the next without `read_pickle`.
    (Rule.SAME_MAJOR, "pandas polars"),
    # The Arrow format and its Python objects are kept readable across its quarterly majors.
    (Rule.NEWER, "pyarrow"),
    # Both pickle as their own file format, which newer releases read; LightGBM's parameters changed names at majors.
    (Rule.SAME_MAJOR, "lightgbm catboost"),
    # Modules pickle as their class and their tensors; classes keep their attributes within a major.
    (Rule.SAME_MAJOR, "torch joblib"),
    # Code by value calls cloudpickle's constructors, which are kept for older pickles within a major.
    (Rule.SAME_MAJOR, "cloudpickle"),
    # Runs every older opset; see FLOORS.
    (Rule.NEWER, "onnxruntime"),
)
RULES = {name: rule for rule, names in _GROUPS for name in names.split()}

# The lowest release that takes initializers from the map and all opsets that modelwheel writes.
FLOORS = {"onnxruntime": "1.20"}
"""Where any version from this one on is accepted, however new the version was that the model was packed with."""


def rule_for(name: str, release: tuple[int, ...]) -> Rule:
    """The rule of a distribution; for one that the table does not know, 0.x may break at each minor."""
    known = RULES.get(_key(name))
    return known or (Rule.SAME_MAJOR if release[0] > 0 else Rule.SAME_MINOR)


def specifier_for(name: str, version: str) -> str:
    """The range of versions that load what `version` of the distribution `name` wrote, as a PEP 440 specifier.

    The range always holds `version` itself, pre-releases and local versions included. A version that is not valid by
    PEP 440 gives an exact comparison (`===`).
    """
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:
        return f"==={version}"
    floor = FLOORS.get(_key(name))
    if floor is not None and parsed >= Version(floor):
        return f">={floor}"
    rule = rule_for(name, parsed.release)
    if rule is Rule.NEWER:
        return f">={_lowest(parsed, 2)}"
    return f"~={_lowest(parsed, 3 if rule is Rule.SAME_MINOR else 2)}"


def file_specifier_for(name: str, version: str) -> str:
    """The range of versions that read a model file which `version` of its framework wrote.

    A framework's own format is read by newer releases of the same major. scikit-learn is only the base of the classes
    that the files become.
    """
    from packaging.version import Version

    return f"{'>=' if _key(name) == 'scikit-learn' else '~='}{_lowest(Version(version), 2)}"


def _lowest(version: Version, parts: int) -> str:
    """`version` cut or padded to `parts` numbers: the lowest version of the range.

    Where the cut number would be above the version (1.4.0rc1 is before 1.4), the suffix stays.
    """
    release = (*version.release, 0, 0)[:parts]
    text = f"{version.epoch}!" if version.epoch else ""
    text += ".".join(map(str, release))
    if any(version.release[parts:]):
        return text
    if version.pre is not None:
        text += "".join(map(str, version.pre))
    if version.post is not None and (parts == 3 or version.pre is not None or version.dev is not None):
        text += f".post{version.post}"
    return text if version.dev is None else f"{text}.dev{version.dev}"


def reason_for(name: str, version: str, specifier: str) -> str:
    """In words, why `specifier` is the range: the rule, or that the author gave another one. Imports `packaging`."""
    usual = specifier_for(name, version) if version else ""
    if usual and specifier == usual:
        if specifier.startswith("==="):
            return "exactly this version, which is not valid by PEP 440"
        if specifier == f">={FLOORS.get(_key(name))}":
            return "this version or any newer one"
        from packaging.version import Version

        return rule_for(name, Version(version).release).value
    if usual and not usual.startswith("===") and specifier == file_specifier_for(name, version):
        return "newer versions read the file"
    return "the range that its author gave" if specifier else "any version"


ANY_PYTHON = ">=3.11"
"""The Pythons of modelwheel itself."""


def python_specifier(version: str, *, by_value: bool, source: bool = False) -> str:
    """The Python versions that load a pickle written by Python `version`.

    Code by value is bytecode, which belongs to one minor version. Source in the bundle may use the syntax of the
    version that packed it. Everything else is protocol 5, which all versions read.
    """
    major, minor = version.split(".")[:2]
    if by_value:
        return f"=={major}.{minor}.*"
    return f">={major}.{minor}" if source else ANY_PYTHON


def satisfies(version: str, specifier: str) -> bool:
    """Whether `version` is in the range. An installed pre-release counts: somebody chose it. Imports `packaging`."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _key(name: str) -> str:
    """The name as PEP 503 normalises it, but for repeated separators: each folder on `sys.path` is compared by it."""
    return name.lower().replace("_", "-").replace(".", "-")


# The check before loading. Installed versions are read from the names of `.dist-info` folders on `sys.path`: a few
# directory listings, where importing `importlib.metadata` alone costs 44 to 58 ms. That is used only for what the
# listing does not show (`.egg-info`, zip imports, import hooks), and `packaging` only where a version differs from the
# recorded one.


def check(
    python_specifier: str | None,
    requires: Sequence[Requirement],
    *,
    bundle: str = "",
    extra: str = "native",
    path: Sequence[str] | None = None,
) -> list[Defect]:
    """Everything that keeps this interpreter from running a payload; empty when it satisfies all requirements.

    `python_specifier` is a range of Python versions, or None for any. `bundle` and `extra` name the requirement that
    installs everything (`pip install "churn[native]"`). `path` defaults to `sys.path`.
    """
    installed = _installed([item.name for item in requires], path)
    unmet = [item for item in requires if not _fits(installed.get(_key(item.name)), item)]
    advice = _advice(unmet, bundle, extra)
    defects = [unsatisfied(item, installed.get(_key(item.name)), advice) for item in unmet]
    if python_specifier is not None and not fits_python(python_specifier):
        message = "this Python cannot load the model"
        found, expected = f"Python {python_version()}", f"Python {clip(python_specifier)}"
        defects.insert(0, Defect(code="environment.python", message=message, found=found, expected=expected))
    return defects


_SAME_MODULE = {
    "onnxruntime": ("onnxruntime-gpu",),
    "tensorflow": ("tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),
    "tensorflow-cpu": ("tensorflow", "tensorflow-intel", "tensorflow-macos"),
    "xgboost": ("xgboost-cpu",),
    "xgboost-cpu": ("xgboost",),
}
"""Distributions that provide the same module, built for other processors: any of them satisfies the requirement."""


def _installed(names: Sequence[str], path: Sequence[str] | None) -> Mapping[str, str]:
    """The installed versions by required name, though another distribution may provide the module."""
    found = dict(versions(names, path))
    absent = [key for key in map(_key, names) if key not in found and key in _SAME_MODULE]
    if absent:
        instead = versions([other for key in absent for other in _SAME_MODULE[key]], path)
        for key in absent:
            for other in filter(instead.__contains__, _SAME_MODULE[key]):
                found[key] = instead[other]
    return found


def versions(names: Iterable[str], path: Sequence[str] | None = None) -> Mapping[str, str]:
    """The installed versions of `names`, by normalised name; what is absent is left out.

    Where a distribution is installed twice, the first folder on `path` counts, as it does for imports.
    """
    wanted = {_key(name): name for name in names}
    found: dict[str, str] = {}
    for folder in sys.path if path is None else path:
        if len(found) == len(wanted):
            break
        for name, version in _listed(folder or os.curdir, wanted):
            found.setdefault(name, version)
    for key in wanted.keys() - found.keys():
        if (asked := _by_importlib(wanted[key], path)) is not None:
            found[key] = asked
    return found


def _listed(folder: str, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and version of the wanted `.dist-info` folders that are complete: pip leaves empty ones after a crash."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return  # not a folder, or not readable: imports skip it as well
    for entry in entries:
        if not entry.endswith(".dist-info"):
            continue
        name, _, number = entry.removesuffix(".dist-info").rpartition("-")
        if _key(name) in wanted and os.path.exists(f"{folder}/{entry}/METADATA"):
            yield _key(name), number


def _by_importlib(name: str, path: Sequence[str] | None) -> str | None:
    """The version by `importlib.metadata`, which knows every kind of installation."""
    from importlib.metadata import Distribution, DistributionFinder

    context = DistributionFinder.Context(name=name, path=list(sys.path if path is None else path))
    for distribution in Distribution.discover(context=context):
        if distribution.metadata is not None and "Version" in distribution.metadata:
            return distribution.metadata["Version"]
    return None


def _fits(version: str | None, requirement: Requirement) -> bool:
    return version is not None and (version == requirement.version or satisfies(version, requirement.specifier))


def python_version() -> str:
    """The version of this interpreter, with its pre-release part, as PEP 440 writes it."""
    info = sys.version_info
    letter = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info.releaselevel)
    return f"{info.major}.{info.minor}.{info.micro}" + (f"{letter}{info.serial}" if letter else "")


def fits_python(specifier: str) -> bool:
    """Whether this interpreter is in the range; the usual forms that `python_specifier` makes need no import."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    return specifier in (f"=={minor}.*", ANY_PYTHON) or satisfies(python_version(), specifier)


def unsatisfied(item: Requirement, version: str | None, advice: str) -> Defect:
    """The defect for a requirement that the installed `version` does not satisfy."""
    name, why = clip(item.name, 80), clip(item.reason, 120)
    message = f"{name} is not installed" if version is None else f"{name} has a version that may predict differently"
    return Defect(
        code="environment.missing" if version is None else "environment.version",
        message=f"{message}; needed for {why}" if why else message,
        found="nothing" if version is None else clip(version),
        expected=f"{name}{clip(item.specifier, 80)}" + (f" (packed with {clip(item.version)})" if item.version else ""),
        hint=advice,
    )


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+!=<>~,*")


def _advice(unmet: Sequence[Requirement], bundle: str, extra: str) -> str:
    """The command that installs everything; empty when a name in the bundle is not safe in a command line."""
    parts = [f"{item.name}{item.specifier}" for item in unmet]
    if not parts or not _PLAIN.issuperset("".join(parts)):
        return ""
    if getattr(sys, "frozen", False):  # PyInstaller leaves out the metadata of an application's packages
        return "build the application with the metadata of its packages: --copy-metadata=" + unmet[0].name
    command = "pip install " + " ".join(f'"{part}"' for part in parts)
    if bundle and _PLAIN.issuperset(bundle + extra):
        return f'{command}, or pip install "{bundle}[{extra}]"'
    return command
