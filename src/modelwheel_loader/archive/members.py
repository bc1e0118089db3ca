"""The payload members of an opened bundle, by their name in the manifest, compared with their digests when read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..manifest.records import Digest, Manifest
    from .integrity import Checker


class Members:
    """Gives verified bytes. What is returned is what was compared; nothing is read twice."""

    __slots__ = ("_checker", "_digests", "_root", "limits")

    def __init__(self, root: str, manifest: Manifest, checker: Checker, limits: Limits) -> None:
        self._root = root
        self._digests = manifest.members
        self._checker = checker
        self.limits = limits

    def _expected(self, name: str) -> tuple[str, Digest]:
        return self._root + name, self._digests[name]

    def small(self, name: str, *, limit: int | None = None) -> bytes:
        """The whole member, compared at every call. `limit` bounds it; without, the file's own size does."""
        full, digest = self._expected(name)
        bound = digest.size if limit is None else limit
        return self._checker.small(full, limit=bound, sha256=digest.sha256, size=digest.size)

    def opened(self, name: str) -> Callable[[], bytes]:
        """A function that gives the whole member, compared at every call, whatever has become of the bundle by then."""
        full, digest = self._expected(name)
        return self._checker.opened(full, limit=digest.size, sha256=digest.sha256, size=digest.size)

    def example(self, name: str) -> bytes:
        """A member of golden examples, within its limit."""
        return self.small(name, limit=self.limits.examples)

    def mapped(self, name: str) -> memoryview:
        """The member as a private map: writable, shared until written to. Only for data, compared by the policy."""
        full, digest = self._expected(name)
        return self._checker.mapped(full, sha256=digest.sha256, size=digest.size)
