"""The dist-info files of a bundle: METADATA, WHEEL and entry_points.txt, by the core metadata specification 2.4."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.opening import (
    DEVICES,
    DIST_INFO,
    FEATURES,
    FIRST_READER,
    NAMESPACE,
    NativePayload,
    Payload,
    entry_points,
    is_name,
    normalize_name,
)
from modelwheel_loader.run import ANY_PYTHON
from modelwheel_loader.text import safe, shown

from ..version import VERSION

LONGEST_PATH = 120
"""Characters of a path inside a bundle, so that it can be installed below the long paths that Windows has."""
LONGEST_NAME = 64
LONGEST_VERSION = 64
LONGEST_SUMMARY = 512
"""Characters; what the Python Package Index takes."""
LONGEST_DESCRIPTION = 500_000
"""Bytes in UTF-8; it is in METADATA and in the manifest, and readers limit both."""
PRIVATE = "Private :: Do Not Upload"
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# what a terminal obeys, and what makes text read otherwise than it is written; tabs and joiners belong to Markdown
_NOT_IN_THE_BODY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What the author says of a bundle. `license` is an SPDX expression; `urls` maps labels to addresses.

    Unless `public`, the metadata carries the classifier that keeps public indexes from accepting an upload.
    """

    summary: str = ""
    description: str = ""
    author: str = ""
    author_email: str = ""
    license: str = ""
    keywords: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    public: bool = False


class Identity(NamedTuple):
    """The normalised name and version of a bundle, and the names that follow from them."""

    name: str
    version: str

    @property
    def stem(self) -> str:
        """The name as folders and files have it."""
        return self.name.replace("-", "_")

    @property
    def root(self) -> str:
        """The folder of the payloads."""
        return f"{NAMESPACE}{self.stem}/"

    @property
    def dist_info(self) -> str:
        """The folder of the metadata."""
        return f"{self.stem}-{self.version}{DIST_INFO}"

    @property
    def file_name(self) -> str:
        """The name of the wheel file."""
        return f"{self.stem}-{self.version}-py3-none-any.whl"


def identify(name: str, version: str) -> Identity:
    """The normalised identity; raises `PackError` with what is wrong with the name and with the version."""
    defects = []
    normal = normalize_name(name) if isinstance(name, str) else ""
    if not isinstance(name, str) or not is_name(name) or len(normal) > LONGEST_NAME:
        expected = f"letters, digits, '-', '_' and '.', at most {LONGEST_NAME}, a letter or digit at both ends"
        defects.append(
            Defect(code="pack.name", message="not a name of a distribution", found=shown(name), expected=expected)
        )
    elif normal == "modelwheel" or normal in DEVICES:
        owner = "modelwheel itself" if normal == "modelwheel" else "a device of Windows, which makes no folder of it"
        defects.append(Defect(code="pack.name", message=f"the name of {owner}", found=shown(name)))
    canonical = _version(version)
    if canonical is None:
        message, expected = "not a version by PEP 440", f"such as '1.2.0', at most {LONGEST_VERSION} characters"
        defects.append(Defect(code="pack.version", message=message, found=shown(version), expected=expected))
    if defects or canonical is None:
        raise PackError("the bundle cannot be named so", defects)
    identity = Identity(normal, canonical)
    if len(identity.dist_info + "entry_points.txt") > LONGEST_PATH:
        message = f"name and version together make paths of more than {LONGEST_PATH} characters"
        raise PackError.of("pack.version", message, found=shown(identity.dist_info, LONGEST_PATH))
    return identity


def _version(text: object) -> str | None:
    """The version in PEP 440's normalised spelling, or None when it is none."""
    from packaging.version import InvalidVersion, Version

    if not isinstance(text, str) or len(text) > LONGEST_VERSION:
        return None
    try:
        return str(Version(text))
    except InvalidVersion:
        return None


def check_about(about: About) -> None:
    """Raise `PackError` with everything in the author's words that cannot be written."""
    words: dict[str, object] = {field.name: getattr(about, field.name) for field in fields(about)}
    defects = [*_line_defects(words), *_length_defects(words)]
    license_ = words["license"]
    if isinstance(license_, str) and license_ and _license(license_) is None:
        defects.append(_about_defect("license", "not an SPDX expression", license_))
    if not isinstance(words["public"], bool):
        defects.append(_about_defect("public", "must be True or False", words["public"]))
    if defects:
        raise PackError("the bundle cannot be described so", defects)


def _about_defect(name: str, message: str, found: object) -> Defect:
    return Defect(code="pack.about", field=name, message=message, found=shown(found))


def _line_defects(words: Mapping[str, object]) -> Iterator[Defect]:
    """Each header is one line of text: a line break in it would begin another header."""
    values = [(name, words[name]) for name in ("summary", "author", "author_email", "license")]
    keywords, urls = words["keywords"], words["urls"]
    if isinstance(keywords, Sequence) and not isinstance(keywords, str):
        values += [("keywords", keyword) for keyword in keywords]
        yield from (_comma_defect("keywords", keyword) for keyword in keywords if "," in str(keyword))
    else:
        yield _about_defect("keywords", "must be a tuple of texts", keywords)
    if isinstance(urls, Mapping):
        values += [("urls", part) for pair in urls.items() for part in pair]
        yield from (_comma_defect("urls", label) for label in urls if "," in str(label))
    else:
        yield _about_defect("urls", "must map labels to addresses", urls)
    for name, value in values:
        if not isinstance(value, str):
            yield _about_defect(name, "must be text", value)
        elif _NOT_IN_A_LINE.search(value):
            yield _about_defect(name, "must be one line of text without control characters", value)


def _comma_defect(name: str, found: object) -> Defect:
    return _about_defect(name, "must not hold a comma, which ends it", found)


def _length_defects(words: Mapping[str, object]) -> Iterator[Defect]:
    summary, description = words["summary"], words["description"]
    if isinstance(summary, str) and len(summary) > LONGEST_SUMMARY:
        yield _about_defect("summary", f"is longer than {LONGEST_SUMMARY} characters", summary)
    if not isinstance(description, str):
        yield _about_defect("description", "must be text", description)
    elif _SURROGATE.search(description):
        yield _about_defect("description", "holds half a character (a surrogate)", description)
    elif len(description.encode("utf-8")) > LONGEST_DESCRIPTION:
        yield _about_defect("description", f"is longer than {LONGEST_DESCRIPTION:,} bytes", description)


def metadata_of(
    identity: Identity, about: About, payloads: Iterable[Payload], features: Sequence[str]
) -> dict[str, bytes]:
    """The dist-info files of a bundle: both extras always exist, with the ranges that the loader checks too.

    Requires-Python is that of the native runtime where no graph runs beside it.
    """
    extras: dict[str, list[str]] = {"onnx": [], "native": []}
    pythons = set()
    for payload in payloads:
        extras[payload.kind] = [f"{item.name}{item.specifier}" for item in payload.requires]
        pythons.add(payload.python_specifier if isinstance(payload, NativePayload) else ANY_PYTHON)
    return metadata_files(
        identity,
        about,
        base=[f"modelwheel>={first_reader(features)}"],
        extras=extras,
        generator=f"modelwheel {VERSION}",
        python=pythons.pop() if len(pythons) == 1 else ANY_PYTHON,
    )


def first_reader(features: Iterable[str]) -> str:
    """The first version of modelwheel that reads a bundle with these features."""
    from packaging.version import Version

    return max((FIRST_READER, *(FEATURES[name] for name in features)), key=Version)


def metadata_files(
    identity: Identity,
    about: About,
    *,
    base: Sequence[str],
    extras: Mapping[str, Sequence[str]],
    generator: str,
    python: str = ANY_PYTHON,
) -> dict[str, bytes]:
    """The dist-info files but RECORD. `base` and `extras` hold requirements such as `scikit-learn~=1.9.1`.

    Raises `PackError` when the author's words cannot be written, or when the bundle would need its own name.
    """
    check_about(about)
    _refuse_own_name(identity, [*base, *(requirement for group in extras.values() for requirement in group)])
    return {
        "METADATA": _metadata(identity, about, base, extras, python).encode("utf-8"),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode(),
        "entry_points.txt": entry_points(identity.name, identity.root).encode("utf-8"),
    }


def _refuse_own_name(identity: Identity, requirements: Sequence[str]) -> None:
    """Installed under the name of a distribution that it needs, the bundle would take that one's place."""
    for requirement in requirements:
        if normalize_name(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]) == identity.name:
            message = f"the model needs the distribution {identity.name!r}: the bundle cannot have the same name"
            hint = f"name it such as '{identity.name}-model'"
            raise PackError.of("pack.name", message, found=shown(requirement), hint=hint)


def _metadata(
    identity: Identity, about: About, base: Sequence[str], extras: Mapping[str, Sequence[str]], python: str
) -> str:
    headers = [("Metadata-Version", "2.4"), ("Name", identity.name), ("Version", identity.version), *_described(about)]
    headers.append(("Requires-Python", python))
    headers += [("Requires-Dist", requirement) for requirement in base]
    for extra, requirements in sorted(extras.items()):
        headers.append(("Provides-Extra", extra))
        headers += [("Requires-Dist", f'{requirement}; extra == "{extra}"') for requirement in requirements]
    head = "".join(f"{key}: {value}\n" for key, value in headers)
    lines = (about.description or _usage(identity, about)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    body = "\n".join(_NOT_IN_THE_BODY.sub(lambda match: safe(match.group()), line) for line in lines)
    return f"{head}\n{body}\n"


def _usage(identity: Identity, about: About) -> str:
    """What an index shows of a bundle that its author has not described."""
    summary = f"{about.summary}\n\n" if about.summary else ""
    pinned = f"{identity.name}=={identity.version}"
    return (
        f"# {identity.name} {identity.version}\n\n{summary}A model bundle, made by modelwheel. "
        f"`python -m modelwheel_loader inspect {identity.name}` says what it takes, answers and needs.\n\n"
        f'```python\nimport modelwheel\n\nmodel = modelwheel.load("{pinned}")\n```'
    )


def _described(about: About) -> Iterator[tuple[str, str]]:
    lines = [
        ("Summary", about.summary),
        ("Author", about.author),
        ("Author-email", about.author_email),
        ("License-Expression", _license(about.license) or ""),
        ("Keywords", ",".join(about.keywords)),
        *(("Project-URL", f"{label}, {address}") for label, address in about.urls.items()),
    ]
    yield from ((key, value) for key, value in lines if value.strip())
    if not about.public:
        yield "Classifier", PRIVATE
    yield "Description-Content-Type", "text/markdown"


def _license(text: str) -> str | None:
    """The SPDX expression in its canonical spelling, or None when it is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None
