"""Every limit the loader applies to a bundle before it allocates or parses, in one record that callers may override."""

from __future__ import annotations

from .records import Record

KIB = 1024
MIB = 1024 * KIB


class Limits(Record):
    """What a bundle may ask for. All sizes are bytes. Each limit stops one attack, named beside it.

    Payloads have no limit of their own: they are stored, so they are never larger than the file that holds them.
    """

    members: int = 10_000
    """Files in a bundle (a directory of a million empty entries)."""
    name_bytes: int = 4_096
    """The UTF-8 length of a member's name (a name of gigabytes)."""
    name_depth: int = 16
    """Folders in a member's name (work that grows with depth times length)."""
    manifest: int = 4 * MIB
    """manifest.json (a document that is mostly padding)."""
    record: int = 16 * MIB
    """RECORD (one endless row). It may have two rows for each of `members`: installers add some of their own."""
    metadata: int = 1 * MIB
    """Each of METADATA, WHEEL and entry_points.txt."""
    examples: int = 64 * MIB
    """Each file of golden examples."""
    json_depth: int = 64
    """Nesting of a JSON document (recursion that ends the interpreter's stack)."""
    fields: int = 100_000
    """Fields of a schema."""
    onnx_nodes: int = 1_000_000
    """Nodes of an ONNX graph with its functions expanded (2**30 nodes from 30 small functions)."""
    onnx_depth: int = 64
    """Nesting of messages in an ONNX file."""
    pickle_references: int = 100_000
    """Globals that `explain` lists from a pickle."""


DEFAULT = Limits()
