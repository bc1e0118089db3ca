from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from modelwheel_loader.opening.manifest import Requirement as Needed
from modelwheel_loader.run.environment import (
    FLOORS,
    RULES,
    Rule,
    check,
    fits_python,
    python_specifier,
    python_version,
    reason_for,
    rule_for,
    satisfies,
    specifier_for,
)

numbers = st.integers(0, 30)
releases = st.lists(numbers, min_size=1, max_size=5).map(lambda parts: ".".join(map(str, parts)))
versions = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "", "1!"]),
    releases,
    st.sampled_from(["", "", "a1", "b2", "rc1"]),
    st.sampled_from(["", "", ".post1"]),
    st.sampled_from(["", "", ".dev3"]),
    st.sampled_from(["", "", "+cu118", "+local.7"]),
)
names = st.sampled_from([*RULES, "some-unknown-package"])


@given(names, versions)
@example("scikit-learn", "1.9.1rc1")
@example("scikit-learn", "1.9.dev0")
@example("pandas", "3.0.0.dev1+7.gabc")
@example("pandas", "3.0.0.post1.dev2")
@example("torch", "2.5.1+cu118")
@example("onnxruntime", "1.19.2")
def test_the_range_always_holds_the_version_that_the_model_was_packed_with(name: str, version: str) -> None:
    assert satisfies(version, specifier_for(name, version))


@given(names, versions)
def test_the_range_is_a_requirement_that_a_resolver_reads(name: str, version: str) -> None:
    assert Requirement(f"{name}{specifier_for(name, version)}").specifier.contains(version, prereleases=True)


@given(names, versions, versions)
def test_the_loader_accepts_what_a_resolver_accepts_and_nothing_else(name: str, packed: str, installed: str) -> None:
    specifier = specifier_for(name, packed)
    resolver = SpecifierSet(specifier, prereleases=True)
    assert satisfies(installed, specifier) == bool(list(resolver.filter([installed])))


@given(st.sampled_from([name for name in RULES if name not in FLOORS] + ["unknown"]), versions, versions)
def test_the_range_is_what_the_rule_says(name: str, packed: str, installed: str) -> None:
    old, new = Version(packed), Version(installed)
    rule = rule_for(name, old.release)
    if not satisfies(installed, specifier_for(name, packed)):
        return
    minor = {version: (version.epoch, *(*version.release, 0)[:2]) for version in (old, new)}
    assert minor[new] >= minor[old]
    if rule is not Rule.NEWER:
        assert (new.epoch, new.major) == (old.epoch, old.major)
    if rule is Rule.SAME_MINOR:
        assert minor[new] == minor[old]
        assert new.release[2:] >= old.release[2:3]


@pytest.mark.parametrize(
    ("name", "version", "specifier"),
    [
        ("scikit-learn", "1.9.1", "~=1.9.1"),
        ("scikit_learn", "1.9", "~=1.9.0"),
        ("Scikit.Learn", "1.9.1.post1", "~=1.9.1.post1"),
        ("scikit-learn", "1.10.dev0", "~=1.10.0.dev0"),
        ("numpy", "2.4.6", "~=2.4"),
        ("numpy", "2.4.0rc1", "~=2.4rc1"),
        ("numpy", "2.4.1rc1", "~=2.4"),
        ("pandas", "3.0.0.post1", "~=3.0"),
        ("pyarrow", "26.0.1", ">=26.0"),
        ("torch", "2.5.1+cu118", "~=2.5"),
        ("onnxruntime", "1.32.0", ">=1.20"),
        ("onnxruntime", "1.18.1", ">=1.18"),
        ("unknown", "4.2.7", "~=4.2"),
        ("unknown", "0.14.2", "~=0.14.2"),
        ("unknown", "1!4.2.7", "~=1!4.2"),
        ("unknown", "custom-build", "===custom-build"),
    ],
)
def test_ranges(name: str, version: str, specifier: str) -> None:
    assert specifier_for(name, version) == specifier


@given(names, versions, versions)
def test_the_load_check_accepts_what_a_resolver_accepts_and_nothing_else(name: str, packed: str, here: str) -> None:
    """The check itself, over a folder as installers leave it, for a range of the table."""
    specifier = specifier_for(name, packed)
    item = Needed(name=name, version=packed, specifier=specifier)
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, f"{name.replace('-', '_')}-{here}.dist-info")
        info.mkdir()
        (info / "METADATA").write_text("")
        accepted = not check(None, [item], path=[folder])
    assert accepted == SpecifierSet(specifier, prereleases=True).contains(here)


@pytest.mark.parametrize(
    ("name", "version", "specifier", "words"),
    [
        ("scikit-learn", "1.9.1", "~=1.9.1", "the same minor version, at least this patch"),
        ("numpy", "2.4.6", "~=2.4", "the same major version, at least this minor"),
        ("pyarrow", "26.0.1", ">=26.0", "this minor version or any newer one"),
        ("onnxruntime", "1.32.0", ">=1.20", "this version or any newer one"),
        ("category_encoders", "2.11.2", "~=2.11.2", "the same minor version, at least this patch"),
        ("unknown", "4.2.7", "~=4.2", "the same major version, at least this minor"),
        ("unknown", "custom-build", "===custom-build", "exactly this version, which is not valid by PEP 440"),
        ("numpy", "2.4.6", ">=2", "the range that its author gave"),
        ("numpy", "", ">=2", "the range that its author gave"),
        ("numpy", "", "", "any version"),
        ("xgboost", "3.1.2", "~=3.1", "newer versions read the file"),
        ("scikit-learn", "1.9.1", ">=1.9", "newer versions read the file"),
    ],
)
def test_the_decision_has_a_reason(name: str, version: str, specifier: str, words: str) -> None:
    assert reason_for(name, version, specifier) == words


@pytest.mark.parametrize(
    ("installed", "accepted"),
    [("1.9.1", True), ("1.9.2", True), ("1.9.0", False), ("1.10.0", False), ("1.9.1rc1", False), ("2.0.0", False)],
)
def test_scikit_learn_needs_the_same_minor(installed: str, accepted: bool) -> None:
    assert satisfies(installed, specifier_for("scikit-learn", "1.9.1")) is accepted


@pytest.mark.parametrize(("version", "specifier"), [("not a version", "~=1.0"), ("1.0", "no specifier")])
def test_what_cannot_be_compared_does_not_fit(version: str, specifier: str) -> None:
    assert not satisfies(version, specifier)


def test_code_by_value_belongs_to_one_minor_of_python() -> None:
    assert python_specifier("3.11.7", by_value=True) == "==3.11.*"
    assert python_specifier("3.15.0rc1", by_value=True) == "==3.15.*"
    assert python_specifier("3.11.7", by_value=False) == ">=3.11"
    assert python_specifier("3.13.2", by_value=False, source=True) == ">=3.13"


@given(st.integers(9, 16), st.booleans())
def test_the_quick_check_of_python_agrees_with_packaging(minor: int, by_value: bool) -> None:
    specifier = python_specifier(f"3.{minor}.1", by_value=by_value)
    assert fits_python(specifier) == satisfies(python_version(), specifier)
