"""The golden examples of a bundle: recorded inputs and the answers that the original gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..text import clip
from . import examples

if TYPE_CHECKING:
    from ..archive.members import Members
    from ..limits import Limits
    from ..manifest.records import ExampleFiles, Manifest


class Goldens:
    """`rows` recorded rows from `source` (`sample`, `given` or `synthetic`). Values are decoded at each call."""

    def __init__(self, manifest: Manifest, members: Members, limits: Limits) -> None:
        if manifest.examples is None:
            raise UsageError.of("usage.no-examples", f"{manifest.name} has no golden examples")
        self._files: ExampleFiles = manifest.examples
        self._manifest = manifest
        self._members = members
        self._limits = limits

    @property
    def rows(self) -> int:
        """How many rows were recorded."""
        return self._files.rows

    @property
    def source(self) -> str:
        """Where the rows come from."""
        return self._files.source

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods with recorded answers."""
        return tuple(self._files.outputs)

    @property
    def input(self) -> Any:
        """The inputs, as a dict of columns that every method of the model accepts."""
        return examples.decode_input(self._read(self._files.input), self._manifest.input, self._files.input)

    def output(self, method: str) -> Any:
        """The recorded answer of `method`, as the method returns it."""
        if method not in self._files.outputs:
            raise UsageError.of("usage.no-examples", f"there are no golden examples of {clip(method)!r}")
        member = self._files.outputs[method]
        schema = next(item.output for item in self._manifest.methods if item.name == method)
        return examples.decode_output(self._read(member), schema, member)

    def _read(self, member: str) -> bytes:
        return self._members.example(member)

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"<{self.rows} golden examples from {self.source!r}: {', '.join(self.methods)}>"
