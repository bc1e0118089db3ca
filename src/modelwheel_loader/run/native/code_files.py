"""Data files beside the source in a bundle, as `importlib.resources` asks for them: they stay in memory.

`files("acme").joinpath("tables/rates.csv").read_text()` works as it does for a package on a disk; `as_file` writes a
copy for code that insists on a path.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import IO, Any


class Node:
    """A folder or a file, by its path from the top (`acme/tables/rates.csv`): a `Traversable`."""

    def __init__(self, path: str, files: Mapping[str, bytes]) -> None:
        self._path = path
        self._files = files

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether the bundle holds such a file."""
        return self._path in self._files

    def is_dir(self) -> bool:
        """Whether files of the bundle lie below."""
        return any(path.startswith(f"{self._path}/") for path in self._files)

    def iterdir(self) -> Iterator[Node]:
        """What lies in this folder."""
        start = len(self._path) + 1
        below = (path[start:] for path in self._files if path.startswith(f"{self._path}/"))
        for name in dict.fromkeys(path.partition("/")[0] for path in below):
            yield self / name

    def joinpath(self, *descendants: str) -> Node:
        """What lies at these paths from here."""
        parts = [part for path in descendants for part in str(path).split("/") if part not in ("", ".")]
        return Node("/".join([self._path, *parts]), self._files)

    def __truediv__(self, child: str) -> Node:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """The bytes of a file; raises `FileNotFoundError`."""
        if not self.is_file():
            raise FileNotFoundError(f"the bundle holds no file {self._path}")
        return self._files[self._path]

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The text of a file."""
        with self.open("r", encoding=encoding, errors=errors) as stream:
            text: str = stream.read()
        return text

    def open(
        self, mode: str = "r", encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> IO[Any]:
        """A stream of a file, to read; what is not about bytes is as `io.TextIOWrapper` has it."""
        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)

    def __repr__(self) -> str:
        return f"<{self._path} of a bundle>"


class Resources:
    """What `importlib.resources` asks a loader for: the folder of a package."""

    def __init__(self, package: str, files: Mapping[str, bytes]) -> None:
        self._top = Node(package.replace(".", "/"), files)

    def files(self) -> Node:
        """The folder of the package."""
        return self._top
