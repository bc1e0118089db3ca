"""The dist-info files of a bundle: METADATA, WHEEL and entry_points.txt, by the core metadata specification 2.4."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from modelwheel_loader.consistency import entry_points
from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.membernames import DIST_INFO, NAMESPACE
from modelwheel_loader.names import is_name, normalize_name
from modelwheel_loader.text import safe, shown

LONGEST_PATH = 120
"""Characters of a path inside a bundle, so that it can be installed below the long paths that Windows has."""
LONGEST_NAME = 64
PRIVATE = "Private :: Do Not Upload"
_LINE_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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
    from packaging.version import InvalidVersion, Version

    defects = []
    normal = normalize_name(name) if isinstance(name, str) else ""
    if not isinstance(name, str) or not is_name(name) or len(normal) > LONGEST_NAME:
        expected = f"letters, digits, '-', '_' and '.', at most {LONGEST_NAME}, a letter or digit at both ends"
        defects.append(
            Defect(code="pack.name", message="not a name of a distribution", found=shown(name), expected=expected)
        )
    try:
        version = str(Version(version if isinstance(version, str) else ""))
    except InvalidVersion:
        message = "not a version by PEP 440"
        defects.append(Defect(code="pack.version", message=message, found=shown(version), expected="such as '1.2.0'"))
    if defects:
        raise PackError("the bundle cannot be named so", defects)
    return Identity(normal, version)


def metadata_files(
    identity: Identity, about: About, *, base: Sequence[str], extras: Mapping[str, Sequence[str]], generator: str
) -> dict[str, bytes]:
    """The dist-info files but RECORD. `base` and `extras` hold requirements such as `scikit-learn~=1.9.1`."""
    return {
        "METADATA": _metadata(identity, about, base, extras).encode("utf-8"),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode(),
        "entry_points.txt": entry_points(identity.name, identity.root).encode("utf-8"),
    }


def _metadata(identity: Identity, about: About, base: Sequence[str], extras: Mapping[str, Sequence[str]]) -> str:
    headers = [("Metadata-Version", "2.4"), ("Name", identity.name), ("Version", identity.version), *_described(about)]
    headers.append(("Requires-Python", ">=3.11"))
    headers += [("Requires-Dist", requirement) for requirement in base]
    for extra, requirements in sorted(extras.items()):
        headers.append(("Provides-Extra", extra))
        headers += [("Requires-Dist", f'{requirement}; extra == "{extra}"') for requirement in requirements]
    head = "".join(f"{key}: {value}\n" for key, value in headers)
    body = "\n".join(safe(line) for line in (about.description or _usage(identity, about)).splitlines())
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
    """The author's words, each on one line: a line break in them would begin another header."""
    lines = [
        ("Summary", about.summary),
        ("Author", about.author),
        ("Author-email", about.author_email),
        ("License-Expression", about.license),
        ("Keywords", ",".join(about.keywords)),
        *(("Project-URL", f"{label}, {address}") for label, address in about.urls.items()),
    ]
    defects = [
        Defect(code="pack.about", field=key, message="must be on one line", found=shown(value))
        for key, value in lines
        if _LINE_BREAK.search(value)
    ]
    if about.license and not _is_license(about.license):
        defects.append(
            Defect(code="pack.about", field="license", message="not an SPDX expression", found=shown(about.license))
        )
    if defects:
        raise PackError("the bundle cannot be described so", defects)
    yield from ((key, value) for key, value in lines if value)
    if not about.public:
        yield "Classifier", PRIVATE
    yield "Description-Content-Type", "text/markdown"


def _is_license(text: str) -> bool:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True
