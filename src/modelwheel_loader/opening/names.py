"""Names and versions of distributions: PEP 503 and PEP 440, without importing `packaging` where equality is enough."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..defects import Defect
from ..errors import InvalidBundle, UsageError
from ..limits import Limits
from ..records import Record
from ..text import clip, safe, shown

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


# The names that files in a bundle may have (THREATS rows 6 and 14), and what the names of a wheel say of it.


NAMESPACE = "modelwheel_bundles/"
DIST_INFO = ".dist-info/"
MANIFEST = "manifest.json"
METADATA_FILES = frozenset({"METADATA", "WHEEL", "RECORD", "entry_points.txt"})
METADATA_FOLDERS = ("licenses/", "sboms/")
CODE_SUFFIXES = (
    *(".py", ".pyc", ".pyo", ".pyi", ".pyw", ".pyx", ".pyd", ".pyz", ".pyzw", ".pth", ".egg-link"),
    *(".so", ".dll", ".dylib", ".exe", ".com", ".scr", ".sh", ".bat", ".cmd", ".ps1", ".vbs", ".lnk", ".desktop"),
)
"""Files that an interpreter or a system may run or import; a bundle holds none."""
_FORBIDDEN = r"""[\x00-\x1f\x7f:;\\<>"|?*\ud800-\udfff]"""
DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$", "clock$"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"),
    }
)
"""Names that Windows gives to devices, with any suffix: it cannot make a file or a folder of such a name."""
_PLAIN_MEMBER = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")


def name_defects(names: Sequence[str], limits: Limits) -> Iterator[Defect]:
    """What is wrong with the names of all members: each alone, and together."""
    for name in names:
        for message in _messages(name, limits):
            yield Defect(code="archive.name", where=name, message=message)
    folders = {folder for name in names if name.count("/") <= limits.name_depth for folder in _folders(name)}
    seen: dict[str, str] = {}
    for name in names:
        folded = fold(name)
        if folded in seen:
            yield Defect(code="archive.name", where=name, message="has the name of another member but for its case")
        if folded in folders:
            yield Defect(code="archive.name", where=name, message="is a file and a folder")
        seen[folded] = name


def fold(name: str) -> str:
    """The name as a file system that ignores case and normalisation sees it."""
    if name.isascii():
        return name.lower()
    import unicodedata

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _folders(name: str) -> Iterator[str]:
    folded = fold(name)
    position = folded.find("/")
    while position >= 0:
        yield folded[:position]
        position = folded.find("/", position + 1)


def _messages(name: str, limits: Limits) -> Iterator[str]:
    if len(name.encode("utf-8", "replace")) > limits.name_bytes:
        yield f"its name is longer than {limits.name_bytes:,} bytes"
        return
    if name.count("/") > limits.name_depth:
        yield f"its name is deeper than {limits.name_depth} folders"
        return
    if not _PLAIN_MEMBER.issuperset(name):  # patterns are compiled when a name asks for it
        if re.search(_FORBIDDEN, name):
            yield "its name holds a control character, one that Windows does not allow, or bytes that are not UTF-8"
        elif safe(name) != name:  # file systems of macOS do not see some of these: `model.p\u200cy` is a Python file
            yield "its name holds an invisible character, or one that changes the direction of writing"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        yield "its name is absolute, ends with a slash, or has an empty, '.' or '..' part"
    elif any(part[-1] in ". " for part in parts):
        yield "a part of its name ends with a dot or a blank"
    folded = fold(name)
    if any(part.partition(".")[0].rstrip(" ") in DEVICES for part in folded.split("/")):
        yield "a part of its name is that of a device of Windows"
    if folded.endswith(CODE_SUFFIXES):
        yield "a bundle holds no code"


def split_names(names: Iterable[str]) -> tuple[str, str, str, str]:
    """The root folder, the dist-info folder, the distribution's name and its version, as the members' names say.

    Raises `InvalidBundle` when there is anything beside one root in the namespace and one `.dist-info`.
    """
    tops = {top: None for name in names for top in [_top(name)]}
    infos = [top for top in tops if top.endswith(DIST_INFO)]
    roots = [top for top in tops if top.startswith(NAMESPACE) and top != NAMESPACE]
    others = [clip(top) for top in tops if top not in (*infos, *roots)]
    if len(infos) != 1 or len(roots) != 1 or others:
        found = ", ".join([*map(clip, roots), *map(clip, infos), *others]) or "nothing"
        expected = f"one folder in {NAMESPACE} and one {DIST_INFO[:-1]} folder"
        message = "not the layout of a bundle" if roots else f"not a model bundle: it has no {NAMESPACE} folder"
        wheels = any(top.endswith(".whl") for top in others)
        hint = "It is a folder with wheels: name one of them." if wheels else ""
        raise InvalidBundle.of("archive.layout", message, found=clip(found, 300), expected=expected, hint=hint)
    name, _, version = infos[0].removesuffix(DIST_INFO).rpartition("-")
    if roots[0] != f"{NAMESPACE}{name}/":
        raise InvalidBundle.of(
            "archive.layout", "the two folders have different names", found=clip(roots[0]), expected=clip(name)
        )
    return roots[0], infos[0], _normalized(name, infos[0]), _canonical(version, infos[0])


def _normalized(stem: str, where: str) -> str:
    """The name of the distribution whose folders begin with `stem`. It goes into commands that people copy."""
    name = stem.replace("_", "-")
    if not is_normalized_name(name) or "-" in stem:
        message = "its name is not the normalised name of a distribution"
        raise InvalidBundle.of("archive.layout", message, where=where, found=shown(stem))
    if name == "modelwheel":
        message = "it has the name of modelwheel itself, and would take its place"
        raise InvalidBundle.of("archive.layout", message, where=where)
    return name


def _canonical(version: str, where: str) -> str:
    if not is_canonical_version(version):
        message = "its version is not in the normalised form of PEP 440"
        raise InvalidBundle.of("archive.layout", message, where=where, found=shown(version))
    return version


def _top(name: str) -> str:
    """The folder that decides whose file it is: two levels in the namespace, else one; a lone file is its own."""
    head, slash, rest = name.partition("/")
    if head + slash == NAMESPACE and "/" in rest:
        return NAMESPACE + rest.partition("/")[0] + "/"
    return head + slash


def is_unexpected(name: str) -> bool:
    """Whether `name`, inside the dist-info folder, is none that a bundle has: old signatures, scripts, and so on."""
    return name not in METADATA_FILES and not name.startswith(METADATA_FOLDERS)


def unexpected_metadata(names: Iterable[str], dist_info: str) -> Iterator[Defect]:
    """Defects for the files in the dist-info folder that a bundle does not have."""
    for name in names:
        if name.startswith(dist_info) and is_unexpected(name.removeprefix(dist_info)):
            yield Defect(code="archive.layout", where=name, message="does not belong into a bundle")
