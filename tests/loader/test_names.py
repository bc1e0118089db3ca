"""Names, versions and requirements, held against `packaging`."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening.names import (
    Requirement,
    accepts,
    is_canonical_version,
    is_name,
    normalize_name,
    parse_requirement,
)

VERSIONS = st.from_regex(
    r"(?:[1-9]!)?(?:0|[1-9][0-9]?)(?:\.(?:0|[1-9])){0,3}(?:(?:a|b|rc)[0-9])?(?:\.post[0-9])?(?:\.dev[0-9])?(?:\+[a-z0-9]{1,3})?",
    fullmatch=True,
)


@pytest.mark.parametrize("text", ["a", "A", "0", "churn", "Churn_Model", "a.b-c_d", "2024-churn"])
def test_names(text: str) -> None:
    assert is_name(text)
    assert normalize_name(text) == canonicalize_name(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "_", "a b", "ä", "a/b", "a\n", "../a", "a\0"])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


@given(VERSIONS)
@settings(max_examples=300, deadline=None)
def test_canonical_is_what_packaging_writes(text: str) -> None:
    assert is_canonical_version(text) == (str(Version(text)) == text)


@pytest.mark.parametrize("text", ["", "v1", "01", "1.0-1", "1.0RC1", "1.0.Dev1", "latest", "1" * 101, "1.0\n", "1.0+A"])
def test_what_is_no_canonical_version(text: str) -> None:
    assert not is_canonical_version(text)


@given(VERSIONS, VERSIONS)
@settings(max_examples=300, deadline=None)
def test_pins_are_judged_as_packaging_does(pinned: str, version: str) -> None:
    for other in (version, pinned, f"{pinned}.0"):
        try:
            expected = SpecifierSet(f"=={pinned}").contains(Version(other), prereleases=True)
        except InvalidVersion:
            expected = False
        assert accepts(f"=={pinned}", other) == expected


@pytest.mark.parametrize(
    ("specifier", "version", "good"),
    [
        (">=1.2,<2", "1.2.0", True),
        (">=1.2,<2", "2.0", False),
        ("==1.*", "1.9", True),
        ("==1.2", "1.2.0+local", True),
        ("== 1.2 ", "1.2", True),
        ("===1.2", "1.2", True),
        ("~=1.2", "1.9", True),
        (">=1", "2.0rc1", True),
        (">=1", "no-version", False),
        ("==1.0", "no-version", False),
    ],
)
def test_ranges(specifier: str, version: str, *, good: bool) -> None:
    assert Requirement(name="a", specifier=specifier).accepts(version) is good


def test_no_range_accepts_whatever_a_folder_is_called() -> None:
    assert Requirement(name="a").accepts("no-version")


@pytest.mark.parametrize(
    ("text", "name", "specifier"),
    [
        ("churn", "churn", ""),
        ("Churn_Model", "churn-model", ""),
        (" churn ", "churn", ""),
        ("churn==1.2.0", "churn", "==1.2.0"),
        ("churn >= 1.2, < 2", "churn", ">= 1.2, < 2"),
        ("a.b~=1.0", "a-b", "~=1.0"),
        ("a===1", "a", "===1"),
    ],
)
def test_requirements(text: str, name: str, specifier: str) -> None:
    assert parse_requirement(text) == Requirement(name=name, specifier=specifier)


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "-churn", "churn 1.2", "churn==", "churn>>1", "churn==1;x", "a @ b", "a[b]", "é", "a\0", "a==x"],
)
def test_what_is_no_requirement(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_requirement(text)
    assert caught.value.code == "usage.requirement"


def test_a_line_of_a_requirements_file_says_what_to_leave_out() -> None:
    with pytest.raises(UsageError, match=r"extras are for pip: 'churn==1.2.0' is what is installed"):
        parse_requirement("churn[onnx]==1.2.0")


def test_an_exact_pin_imports_nothing() -> None:
    import subprocess

    code = """
import sys
from modelwheel_loader.opening.names import parse_requirement
assert parse_requirement("churn==1.2").accepts("1.2.0")
assert "packaging" not in sys.modules
assert parse_requirement("churn>=1.2").accepts("1.2.0")
assert "packaging" in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
