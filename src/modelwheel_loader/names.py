"""Names and versions of distributions: PEP 503 and PEP 440, without importing `packaging` where equality is enough."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import UsageError
from .records import Record
from .text import clip

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

# patterns are texts here: `re` compiles them when they are first used, and keeps them
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_SEPARATORS = r"[-_.]+"
_REQUIREMENT = r"\s*([A-Za-z0-9][A-Za-z0-9._-]*?)\s*((?:===|==|~=|!=|<=|>=|<|>).*)?\s*"
_EXTRAS = r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*\[[A-Za-z0-9._, -]{1,200}\](.*)"
_LOCAL = r"(?:0|[1-9][0-9]*|[0-9]*[a-z][a-z0-9]*)"
# PEP 440, appendix B, in its normalised spelling only
_CANONICAL_VERSION = (
    r"(?:[1-9][0-9]*!)?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*(?:(?:a|b|rc)(?:0|[1-9][0-9]*))?"
    rf"(?:\.post(?:0|[1-9][0-9]*))?(?:\.dev(?:0|[1-9][0-9]*))?(?:\+{_LOCAL}(?:\.{_LOCAL})*)?"
)
_PINNED = r"==\s*([^,*\s]+)\s*"
LONGEST_NAME = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PLAIN = frozenset(f"{_LETTERS}0123456789-")
_COMPARING = frozenset("*<>=~, ")
_RANGE = frozenset(f"{_LETTERS}{_LETTERS.upper()}0123456789.+!") | _COMPARING


def is_name(text: str) -> bool:
    """Whether `text` may name a distribution."""
    return re.fullmatch(_NAME, text) is not None


def normalize_name(text: str) -> str:
    """The normalised form of a distribution's name (PEP 503)."""
    return re.sub(_SEPARATORS, "-", text).lower()


def is_normalized_name(text: str) -> bool:
    """Whether `text` is the normalised name of a distribution, and of a sensible length."""
    plain = 0 < len(text) <= LONGEST_NAME and _PLAIN.issuperset(text)
    return plain and "-" not in (text[0], text[-1]) and "--" not in text


def is_plain_range(text: str) -> bool:
    """Whether `text` is empty or has the form of a range of versions: no address, option or marker fits into it."""
    return text.lstrip(" ")[:1] in ("", *"<>=~!") and _RANGE.issuperset(text)


def is_plain_version(text: str) -> bool:
    """Whether `text` has the form of a version, not necessarily in PEP 440's spelling."""
    return 0 < len(text) <= LONGEST_NAME and text[0] != "-" and (_RANGE - _COMPARING | {"-", "_"}).issuperset(text)


def is_canonical_version(text: str) -> bool:
    """Whether `text` is a version in PEP 440's normalised spelling."""
    if len(text) > LONGEST_NAME:
        return False
    return all(map(_is_number, text.split("."))) or re.fullmatch(_CANONICAL_VERSION, text) is not None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text[0] != "0" or text == "0")


class Requirement(Record):
    """A normalised name and the range that its version must be in; an empty range is any version."""

    name: str
    specifier: str = ""

    def accepts(self, version: str) -> bool:
        """Whether `version` is in the range. Imports `packaging` only for more than an exact, canonical pin."""
        return not self.specifier or accepts(self.specifier, version)


def accepts(specifier: str, version: str) -> bool:
    """Whether `version` satisfies `specifier`; pre-releases count when asked of by the version itself."""
    pinned = re.fullmatch(_PINNED, specifier)
    if pinned and is_canonical_version(pinned[1]) and is_canonical_version(version) and "+" not in version:
        return pinned[1] == version or (_zeros(pinned[1]) == _zeros(version))
    wanted = specifier_set(specifier)
    from packaging.version import InvalidVersion, Version

    try:
        return wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:  # a folder may be called anything
        return False


def _zeros(version: str) -> str:
    """`1.2.0` as `1.2`: trailing zeros of a release mean nothing."""
    return re.sub(r"(?:\.0)+(?=$|a|b|rc|\.post|\.dev|\+)", "", version)


def specifier_set(specifier: str) -> SpecifierSet:
    """The range as `packaging` has it; raises `UsageError` when it is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier)
    except InvalidSpecifier:
        raise UsageError.of("usage.requirement", "not a version range", found=clip(repr(specifier))) from None


def parse_requirement(text: str) -> Requirement:
    """The requirement in `text`, such as `churn` or `churn>=1.2,<2`; raises `UsageError` when it is none."""
    match = re.fullmatch(_REQUIREMENT, text)
    if match is None or not is_name(match[1]):
        extras = re.fullmatch(_EXTRAS, text)
        raise UsageError.of(
            "usage.requirement",
            "neither a path nor a requirement",
            found=clip(repr(text)),
            hint=f"extras are for pip: {clip(extras[1] + extras[2])!r} is what is installed" if extras else "",
            expected="'name', 'name==1.2.0' or 'name>=1.2,<2'; a path ends in .whl or holds a separator",
        )
    specifier = (match[2] or "").strip()
    pinned = re.fullmatch(_PINNED, specifier)
    if specifier and not (pinned and is_canonical_version(pinned[1])):
        specifier_set(specifier)
    return Requirement(name=normalize_name(match[1]), specifier=specifier)
