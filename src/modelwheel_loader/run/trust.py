"""Whether code of a bundle may run. The caller says so, per call; never the file, and never the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Literal, Self

from ..defects import Defect
from ..errors import UsageError
from ..opening.places import Installed, Place
from ..records import Record
from ..text import clip, safe, shown

Policy = Literal["data_only", "digests", "installed", "unsafe_run_code"]
_DIGEST = "sha256:"
_HEX = frozenset("0123456789abcdef")


class Trust(Record):
    """A policy. Make one by a class method; `data_only` is the default for files, `installed` for installed bundles."""

    policy: Policy
    allowed: frozenset[str] = frozenset()

    @classmethod
    def data_only(cls) -> Self:
        """No code of the bundle runs: only runtimes that read data, such as ONNX, may be used."""
        return cls(policy="data_only")

    @classmethod
    def digests(cls, *digests: str) -> Self:
        """Code runs when the bundle is one of these: `bundle.digest`, or the SHA-256 of the wheel file."""
        cleaned = [item.lower().removeprefix(_DIGEST) if isinstance(item, str) else "" for item in digests]
        pairs = zip(digests, cleaned, strict=True)
        wrong = [shown(given) for given, item in pairs if len(item) != 64 or set(item) - _HEX]
        if wrong or not digests:
            found, expected = (wrong or ["none"])[0], "'sha256:' and 64 hexadecimal digits"
            raise UsageError.of("usage.trust", "digests are SHA-256", found=found, expected=expected)
        return cls(policy="digests", allowed=frozenset(_DIGEST + item for item in cleaned))

    @classmethod
    def installed(cls) -> Self:
        """Code runs when the bundle was installed by pip, uv or another installer: installing it was that decision."""
        return cls(policy="installed")

    @classmethod
    def unsafe_run_code(cls) -> Self:
        """Whatever code the bundle holds runs, with all rights of this process."""
        return cls(policy="unsafe_run_code")

    @classmethod
    def checked(cls, value: object) -> Trust:
        """`value` when it is a policy; raises `UsageError` that says what to write instead of `trust=True`."""
        if isinstance(value, Trust):
            return value
        raise UsageError.of(
            "usage.trust",
            "trust must be a policy, which says what is trusted and why",
            found=shown(value),
            expected="Trust.digests('sha256:…'), Trust.installed(), Trust.data_only() or Trust.unsafe_run_code()",
        )

    def refusal(self, place: Place, digest: str, risk: str) -> Iterator[Defect]:
        """Why the bundle at `place`, whose manifest has `digest`, may not be opened natively; nothing when it may.

        `risk` says what its native model is, and what opening it does.
        """
        if message := self._objection(place, digest, risk):
            call = f'load(…, trust=modelwheel.Trust.digests("{digest}"))'
            hint = f"If you know this bundle and where it comes from: {call}. Inspecting it runs nothing."
            yield Defect(code="trust.refused", where=clip(place.path, 300), message=message, hint=hint)

    def _objection(self, place: Place, digest: str, risk: str) -> str | None:
        if self.policy == "unsafe_run_code":
            return None
        if self.policy == "digests":
            if digest in self.allowed or place.file_digest() in self.allowed:
                return None
            what = risk.partition(",")[0]
            return f"the native model is {what}, and the bundle's digest {digest} is not among the trusted ones"
        if self.policy == "installed":
            return _not_installed(place)
        return f"the native model is {risk}, and nothing says that this file may"


def _not_installed(place: Place) -> str | None:
    """Why `place` does not count as installed; None when it does."""
    if not isinstance(place, Installed):
        return f"the bundle is a {place.kind}, not an installed one"
    folder = os.path.dirname(place.location)
    if _same(folder, os.curdir):
        return "the bundle is in the current directory, where anybody may put files"
    if not any(entry and _same(folder, entry) for entry in sys.path):
        return f"{safe(folder)} is not on sys.path"
    if place.installer is None:
        return "no installer put the bundle there (its .dist-info has no INSTALLER file)"
    return None


def _same(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
