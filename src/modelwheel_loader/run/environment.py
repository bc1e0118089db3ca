"""The one table of which other versions of a distribution can load a pickle. Nothing else in modelwheel decides that.

It makes the ranges of `Requires-Dist` and of the manifest; the load check judges the manifest's range. So what a
resolver accepts, the loader accepts, and the other way round. Ranges hold the version that the model was packed with.
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


RULES: dict[str, Rule] = {
    # Measured over 165 estimators: patch releases never broke a pickle, minor releases did, once without a word.
    # Its maintainers promise nothing across versions.
    "scikit-learn": Rule.SAME_MINOR,
    # Its documentation: a pickled booster is a memory snapshot, good for the version that made it.
    "xgboost": Rule.SAME_MINOR,
    # Their estimators are scikit-learn's classes with private attributes of their own, which minors add and rename;
    # none promises to read older pickles, and each minor of scikit-learn makes them release one.
    "imbalanced-learn": Rule.SAME_MINOR,
    "category-encoders": Rule.SAME_MINOR,
    "feature-engine": Rule.SAME_MINOR,
    "scikit-lego": Rule.SAME_MINOR,
    "skrub": Rule.SAME_MINOR,
    "sktime": Rule.SAME_MINOR,
    "tslearn": Rule.SAME_MINOR,
    "mlxtend": Rule.SAME_MINOR,
    "skorch": Rule.SAME_MINOR,
    "umap-learn": Rule.SAME_MINOR,
    "hdbscan": Rule.SAME_MINOR,
    "statsmodels": Rule.SAME_MINOR,
    # Classes and private modules move between minors; their own formats are what they promise to read.
    "transformers": Rule.SAME_MINOR,
    "sentence-transformers": Rule.SAME_MINOR,
    "spacy": Rule.SAME_MINOR,
    # Saved objects follow Keras and TensorFlow minor by minor.
    "tensorflow": Rule.SAME_MINOR,
    "tensorflow-cpu": Rule.SAME_MINOR,
    "keras": Rule.SAME_MINOR,
    # Arrays load in every newer release; private paths in pickles (`numpy._core`) moved at 2.0, so majors are walls,
    # and random generators need at least the minor that wrote them.
    "numpy": Rule.SAME_MAJOR,
    # Sparse matrices and interpolators pickle as attributes under private paths, kept through a major.
    "scipy": Rule.SAME_MAJOR,
    # Semantic versions since 1.0; a pickle of a major does not load in the next without `read_pickle`.
    "pandas": Rule.SAME_MAJOR,
    "polars": Rule.SAME_MAJOR,
    # The Arrow format and its Python objects are kept readable across its quarterly majors.
    "pyarrow": Rule.NEWER,
    # A booster pickles as its text format, which newer releases read; parameters changed names at majors.
    "lightgbm": Rule.SAME_MAJOR,
    # A model pickles as its binary format, which newer releases read.
    "catboost": Rule.SAME_MAJOR,
    # Modules pickle as their class and their tensors; classes keep their attributes within a major.
    "torch": Rule.SAME_MAJOR,
    "joblib": Rule.SAME_MAJOR,
    # Code by value calls cloudpickle's constructors, which are kept for older pickles within a major.
    "cloudpickle": Rule.SAME_MAJOR,
    # Runs every older opset; see FLOORS.
    "onnxruntime": Rule.NEWER,
}

FLOORS: dict[str, str] = {
    # The lowest release that takes initializers from the map and all opsets that modelwheel writes.
    "onnxruntime": "1.20",
}
"""Where anything from this version on will do, however new the version was that the model was packed with."""


def rule_for(name: str, release: tuple[int, ...]) -> Rule:
    """The rule of a distribution; one that the table does not know follows its number: 0.x may break at each minor."""
    known = RULES.get(_normalised(name))
    return known or (Rule.SAME_MAJOR if release[0] > 0 else Rule.SAME_MINOR)


def specifier_for(name: str, version: str) -> str:
    """The range of versions that load what `version` of the distribution `name` wrote, as a PEP 440 specifier.

    The range always holds `version` itself, pre-releases and local versions included. A version that is none by
    PEP 440 gives an exact comparison (`===`).
    """
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:
        return f"==={version}"
    floor = FLOORS.get(_normalised(name))
    if floor is not None and parsed >= Version(floor):
        return f">={floor}"
    rule = rule_for(name, parsed.release)
    if rule is Rule.NEWER:
        return f">={_lowest(parsed, 2)}"
    return f"~={_lowest(parsed, 3 if rule is Rule.SAME_MINOR else 2)}"


def file_specifier_for(name: str, version: str) -> str:
    """The range of versions that read a model file which `version` of its framework wrote: file formats are kept.

    A framework's own format is read by newer releases of the same major. scikit-learn is only the base of the classes
    that the files become.
    """
    from packaging.version import Version

    parsed = Version(version)
    return f"{'>=' if _normalised(name) == 'scikit-learn' else '~='}{_lowest(parsed, 2)}"


def _lowest(version: Version, parts: int) -> str:
    """`version` cut or padded to `parts` numbers: the lowest version of the range.

    Where the cut number would lie above the version (1.4.0rc1 is before 1.4), the suffix stays.
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
    if version and specifier == specifier_for(name, version):
        return _rule_words(name, version, specifier)
    if (
        version
        and not specifier_for(name, version).startswith("===")
        and specifier == file_specifier_for(name, version)
    ):
        return "newer versions read the file"
    return "the range that its author gave" if specifier else "any version"


def _rule_words(name: str, version: str, specifier: str) -> str:
    if specifier.startswith("==="):
        return "this very version, which is none by PEP 440"
    if specifier == f">={FLOORS.get(_normalised(name))}":
        return "any version from there on"
    from packaging.version import Version

    return rule_for(name, Version(version).release).value


ANY_PYTHON = ">=3.11"
"""The Pythons of modelwheel itself."""


def python_specifier(version: str, *, by_value: bool, source: bool = False) -> str:
    """The Python versions that load a pickle written by Python `version`.

    Code by value is bytecode, which belongs to one minor version. Source, where the bundle holds any, may use the
    syntax of the version that it was packed with. Everything else is protocol 5, which all read.
    """
    major, minor = version.split(".")[:2]
    if by_value:
        return f"=={major}.{minor}.*"
    return f">={major}.{minor}" if source else ANY_PYTHON


def satisfies(version: str, specifier: str) -> bool:
    """Whether `version` lies in the range. An installed pre-release counts: somebody chose it. Imports `packaging`."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _normalised(name: str) -> str:
    """The name by PEP 503, without the regular expression."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


# Does this interpreter, with its packages, satisfy what a payload needs? All defects at once, each with its cure.
#
# Installed versions are read from the names of `.dist-info` folders on `sys.path`: a few directory listings, where
# importing `importlib.metadata` alone costs 44 to 58 ms. It is asked only for what the listing does not show
# (`.egg-info`, zip imports, import hooks). `packaging` is imported only when a version differs from the recorded one.


def check(
    python_specifier: str | None,
    requires: Sequence[Requirement],
    *,
    bundle: str = "",
    extra: str = "native",
    path: Sequence[str] | None = None,
) -> list[Defect]:
    """Everything that keeps this interpreter from running a payload; empty when it fits.

    `python_specifier` is a range of Python versions, or None when any will do. `bundle` and `extra` name the
    requirement that brings everything (`pip install "churn[native]"`). `path` is `sys.path` unless given.
    """
    installed = _installed([_key(item.name) for item in requires], path)
    unmet = [item for item in requires if not _fits(installed.get(_key(item.name)), item)]
    advice = _advice(unmet, bundle, extra)
    defects = [_defect(item, installed.get(_key(item.name)), advice) for item in unmet]
    if python_specifier is not None and not fits_python(python_specifier):
        defects.insert(0, _python_defect(python_specifier))
    return defects


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


# --- installed versions ---

_SAME_MODULE = {
    "onnxruntime": ("onnxruntime_gpu",),
    "tensorflow": ("tensorflow_cpu", "tensorflow_intel", "tensorflow_macos"),
    "tensorflow_cpu": ("tensorflow", "tensorflow_intel", "tensorflow_macos"),
    "xgboost": ("xgboost_cpu",),
    "xgboost_cpu": ("xgboost",),
}
"""Distributions that bring the same module, built for other processors: either will do."""


def _installed(names: Sequence[str], path: Sequence[str] | None) -> Mapping[str, str]:
    """The installed versions, each by the name asked for, though another distribution may bring the module."""
    found = dict(versions(names, path))
    others = {name: _SAME_MODULE[name] for name in names if name not in found and name in _SAME_MODULE}
    if others:
        instead = versions([other for several in others.values() for other in several], path)
        for name, several in others.items():
            for other in several:
                if other in instead:
                    found[name] = instead[other]
    return found


def versions(names: Iterable[str], path: Sequence[str] | None = None) -> Mapping[str, str]:
    """The installed versions of `names`, by name in lower case with `_` for `-` and `.`; what is absent is left out.

    Where a distribution is there twice, the first folder on `path` counts, as it does for imports.
    """
    wanted = {_key(name): name for name in names}
    found: dict[str, str] = {}
    for folder in sys.path if path is None else path:
        if len(found) == len(wanted):
            break
        for name, version in _listed(folder or os.curdir, wanted):
            found.setdefault(name, version)
    for key in wanted.keys() - found.keys():
        asked = _asked(wanted[key], path)
        if asked is not None:
            found[key] = asked
    return found


def _listed(folder: str, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and version of the `.dist-info` folders that are wanted and whole: pip leaves empty ones after a crash."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return  # not a folder, or not ours to read: imports skip it as well
    for entry in entries:
        if not entry.endswith(".dist-info"):
            continue
        name, _, number = entry.removesuffix(".dist-info").rpartition("-")
        if _key(name) in wanted and os.path.exists(f"{folder}/{entry}/METADATA"):
            yield _key(name), number


def _asked(name: str, path: Sequence[str] | None) -> str | None:
    """The version by `importlib.metadata`, which knows every kind of installation."""
    from importlib.metadata import Distribution, DistributionFinder

    context = DistributionFinder.Context(name=name, path=list(sys.path if path is None else path))
    for distribution in Distribution.discover(context=context):
        if distribution.metadata is not None and "Version" in distribution.metadata:
            return distribution.metadata["Version"]
    return None


# --- judging ---


def _fits(version: str | None, requirement: Requirement) -> bool:
    if version is None:
        return False
    if version == requirement.version:
        return True

    return satisfies(version, requirement.specifier)


def python_version() -> str:
    """The version of this interpreter, with its pre-release part, as PEP 440 writes it."""
    info = sys.version_info
    letter = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info.releaselevel)
    return f"{info.major}.{info.minor}.{info.micro}" + (f"{letter}{info.serial}" if letter else "")


def fits_python(specifier: str) -> bool:
    """Whether this interpreter lies in the range; the two forms that `rules.python_specifier` makes need no import."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    if specifier in (f"=={minor}.*", ">=3.11"):
        return True  # modelwheel itself needs 3.11

    return satisfies(python_version(), specifier)


# --- saying so ---


def _python_defect(specifier: str) -> Defect:
    return Defect(
        code="environment.python",
        message="this Python cannot load the model",
        found=f"Python {python_version()}",
        expected=f"Python {clip(specifier)}",
    )


def _defect(item: Requirement, version: str | None, advice: str) -> Defect:
    name, why = clip(item.name, 80), clip(item.reason, 120)
    if version is None:
        message = f"{name} is not installed"
        found = "nothing"
    else:
        message = f"{name} is of a version that may answer differently"
        found = clip(version)
    return Defect(
        code="environment.missing" if version is None else "environment.version",
        message=f"{message}; needed for {why}" if why else message,
        found=found,
        expected=f"{name}{clip(item.specifier, 80)}" + (f" (packed with {clip(item.version)})" if item.version else ""),
        hint=advice,
    )


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+!=<>~,*")


def _advice(unmet: Sequence[Requirement], bundle: str, extra: str) -> str:
    """The command that fixes everything; none when a name of the bundle is not plain enough for a command line."""
    parts = [f"{item.name}{item.specifier}" for item in unmet]
    if not parts or not _PLAIN.issuperset("".join(parts)):
        return ""
    if getattr(sys, "frozen", False):  # PyInstaller leaves out what says which versions an application brings
        return "build the application with the metadata of its packages: --copy-metadata=" + unmet[0].name
    command = "pip install " + " ".join(f'"{part}"' for part in parts)
    if bundle and _PLAIN.issuperset(bundle + extra):
        return f'{command}, or pip install "{bundle}[{extra}]"'
    return command
