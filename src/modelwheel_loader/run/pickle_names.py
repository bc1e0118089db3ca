"""The names that unpickling would look up, read from the opcodes of a pickle. Nothing is imported, nothing runs.

The scanner simulates the unpickler's stack and memo as far as names need it: where each text came from. A pickle inside
a `bytes` value is data until somebody unpickles it, so it is not followed; a name that the pickle computes while it is
loaded is listed as `<computed>`. The list is information, never a gate: a trusted pickle may do anything.

One pass. Payloads of texts, bytes and arrays are skipped, so a stream of 100 MB of array bytes takes microseconds; many
small values cost about half a microsecond for each opcode. Memory is at most eight bytes for each value in the memo and
on the stack, less than unpickling takes.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits

NAME_BYTES = 4_096
"""The longest module or attribute name that is read; Python's own names are far below it."""
COMPUTED = "<computed>"
"""Stands for a name that is not a text in the stream but the result of running it."""


class Reference(NamedTuple):
    """A name that unpickling looks up. `qualname` is empty where a whole module is imported."""

    module: str
    qualname: str

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname}" if self.qualname else self.module


def references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The names that unpickling `data` would look up, each once, in the order of their first use.

    Reads `GLOBAL`, `STACK_GLOBAL`, `INST` and `EXT` of all protocols, 0 to 5, and the module imports that cloudpickle
    writes. Raises InvalidBundle when the stream is truncated, holds an unknown opcode, or is not a pickle.
    """
    scanner = _Scanner(data, limits.pickle_references)
    scanner.run()
    return tuple(scanner.found)


def _invalid(why: str) -> InvalidBundle:
    return InvalidBundle.of("native.stream", f"the pickle is malformed: {why}")


# A value on the simulated stack is an integer: its kind in the lowest two bits, above them the position of the opcode
# that pushed a text, or the number of a reference in the order of finding.
_OTHER, _TEXT, _NAME, _TEXT_IN_TUPLE = range(4)
_SUBIMPORT = {Reference(f"cloudpickle.{module}", "subimport") for module in ("cloudpickle", "cloudpickle_fast")}


class _Scanner:
    """The state of one scan: the position is kept by `run`, everything else is here."""

    __slots__ = ("data", "found", "limit", "marks", "memo", "numbers", "protocol", "sparse", "stack", "table")

    def __init__(self, data: bytes, limit: int) -> None:
        self.data = data
        self.table = _table()
        self.limit = limit
        self.found: dict[Reference, int] = {}
        self.numbers: list[Reference] = []
        self.protocol = 0
        self.stack: array[int] = array("Q")
        self.marks: list[int] = []
        self.memo: array[int] = array("Q")  # memo keys count up from zero in every real pickle; others go to `sparse`
        self.sparse: dict[int, int] = {}

    def run(self) -> None:
        """Scan to the STOP opcode, which must be the last byte."""
        data, stack, end, position = self.data, self.stack, len(self.data), 0
        operations = self.table[0]
        while position < end:
            start = position
            operation = operations[data[start]]
            if operation is None:
                raise _invalid(f"byte {start} is not an opcode (0x{data[start]:02x})")
            width, to_mark, pops, pushed, action = operation
            position = start + 1 + width if width >= 0 else _behind(data, start + 1, width)
            if position > end:
                raise _invalid(f"the stream ends inside the opcode at byte {start}")
            if to_mark:
                self.pop_mark()
            if pops:
                if pops > len(stack):
                    raise _invalid(f"the opcode at byte {start} takes a value that is not there")
                del stack[-pops:]
            if pushed is not None:
                stack.append(start << 2 | pushed)
            if action is not None:
                action(self, start)
        if not data or data[start] != _STOP:
            raise _invalid("the stream ends without a STOP opcode")

    def argument(self, start: int) -> Any:
        """The text or number that the opcode at `start` carries."""
        data, (_, widths, readers) = self.data, self.table
        width = widths[data[start]]
        if width > 0:
            return int.from_bytes(data[start + 1 : start + 1 + width], "little")
        if _behind(data, start + 1, width) - start > NAME_BYTES + 9:
            raise _invalid(f"the name at byte {start} is too long")
        try:
            found = readers[data[start]](io.BytesIO(data[start + 1 : start + NAME_BYTES + 10]))
        except ValueError as error:
            raise _invalid(f"the argument at byte {start} cannot be read") from error
        if isinstance(found, int) and not 0 <= found < 1 << 64:
            raise _invalid(f"byte {start} does not begin a memo key")
        return found

    def top(self) -> int:
        """The value on the top of the stack."""
        if not self.stack:
            raise _invalid("an opcode takes a value that is not there")
        return self.stack[-1]

    def pop(self) -> int:
        """Take the top value off the stack."""
        value = self.top()
        self.stack.pop()
        return value

    def pop_mark(self) -> None:
        """Drop everything above the last mark, and the mark."""
        if not self.marks:
            raise _invalid("an opcode needs a mark that is not there")
        del self.stack[self.marks.pop() :]

    def remember(self, key: int) -> None:
        """Put the top value into the memo."""
        value = self.top()
        if key in self.sparse or key > len(self.memo):
            self.sparse[key] = value
        elif key < len(self.memo):
            self.memo[key] = value
        else:
            self.memo.append(value)

    def recall(self, key: int) -> None:
        """Push a value of the memo."""
        value = self.memo[key] if key < len(self.memo) else self.sparse.get(key)
        if value is None:
            raise _invalid(f"memo entry {key} is read before it is written")
        self.stack.append(value)

    def refer(self, module: str, qualname: str) -> None:
        """Push a reference. Pickles below protocol 3 use Python 2's names, which the unpickler translates."""
        if self.protocol < 3:
            from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

            renamed = NAME_MAPPING.get((module, qualname))
            module, qualname = renamed or (IMPORT_MAPPING.get(module, module), qualname)
        self.note(Reference(module, qualname))

    def note(self, reference: Reference) -> None:
        """List a reference if it is new, and push it."""
        number = self.found.setdefault(reference, len(self.found))
        if number == len(self.numbers):
            if number == self.limit:
                raise _invalid(f"it refers to more than {self.limit:,} names")
            self.numbers.append(reference)
        self.stack.append(number << 2 | _NAME)


def _behind(data: bytes, start: int, width: int) -> int:
    """The position behind an argument of variable width; beyond the end when it is truncated."""
    size = _LENGTH_SIZES.get(width)
    if size is not None:
        return start + size + int.from_bytes(data[start : start + size], "little")
    for _ in range(2 if width == _TWO_LINES else 1):
        start = data.find(b"\n", start) + 1 or len(data) + 1
    return start


# --- what single opcodes do, beyond what `pickletools` says of the values that they pop and push ---


def _proto(scan: _Scanner, start: int) -> None:
    scan.protocol = scan.argument(start)
    if scan.protocol > 5:
        raise _invalid(f"protocol {scan.protocol} is unknown")


def _pop(scan: _Scanner, _start: int) -> None:
    if scan.marks and scan.marks[-1] == len(scan.stack):
        scan.marks.pop()
    else:
        scan.pop()


def _tuple_of_one(scan: _Scanner, _start: int) -> None:
    value = scan.pop()
    scan.stack.append(value | _TEXT_IN_TUPLE if value & 3 == _TEXT else _OTHER)


def _reduce(scan: _Scanner, _start: int) -> None:
    """A call: only cloudpickle's import of a module by its name is followed."""
    arguments, function = scan.pop(), scan.pop()
    if arguments & 3 == _TEXT_IN_TUPLE and function & 3 == _NAME and scan.numbers[function >> 2] in _SUBIMPORT:
        scan.note(Reference(scan.argument(arguments >> 2), ""))
        scan.pop()
    scan.stack.append(_OTHER)


def _global(scan: _Scanner, start: int) -> None:
    lines = scan.data[start + 1 : _behind(scan.data, start + 1, _TWO_LINES)].split(b"\n")
    if max(map(len, lines)) > NAME_BYTES:
        raise _invalid(f"the name at byte {start} is too long")
    try:
        scan.refer(lines[0].decode("utf-8"), lines[1].decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _invalid("a name is not UTF-8") from error


def _stack_global(scan: _Scanner, _start: int) -> None:
    qualname, module = scan.pop(), scan.pop()
    scan.refer(*(scan.argument(value >> 2) if value & 3 == _TEXT else COMPUTED for value in (module, qualname)))


def _extension(scan: _Scanner, start: int) -> None:
    # what a code means depends on the process that loads it, so the registry is named and not its entry
    scan.note(Reference("copyreg", f"extension {scan.argument(start)}"))


def _stop(scan: _Scanner, start: int) -> None:
    scan.pop()
    if start + 1 != len(scan.data):
        raise _invalid(f"{len(scan.data) - start - 1:,} bytes follow its end")


_Action = Callable[[_Scanner, int], None]
_ACTIONS: dict[str, _Action] = {
    "PROTO": _proto,
    "MARK": lambda scan, _: scan.marks.append(len(scan.stack)),
    "POP": _pop,
    "DUP": lambda scan, _: scan.stack.append(scan.top()),
    "TUPLE1": _tuple_of_one,
    "REDUCE": _reduce,
    **dict.fromkeys(("GLOBAL", "INST"), _global),
    "STACK_GLOBAL": _stack_global,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda scan, start: scan.remember(scan.argument(start))),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda scan, start: scan.recall(scan.argument(start))),
    "MEMOIZE": lambda scan, _: scan.remember(len(scan.memo) + len(scan.sparse)),
    "STOP": _stop,
}
_STOP = ord(".")
_TWO_LINES = -10
_LENGTH_SIZES = {-2: 1, -3: 4, -4: 4, -5: 8}
"""Bytes that hold the length of an argument, by what `pickletools` gives as its width."""


_Operation = tuple[int, bool, int, int | None, _Action | None]


@cache
def _table() -> tuple[list[_Operation | None], list[int], dict[int, Any]]:
    """Operations, widths of arguments, and readers of arguments, by opcode.

    An operation is the width of its argument, whether it drops to a mark, what it pops, pushes, and does beyond that.
    """
    import pickletools

    operations: list[_Operation | None] = [None] * 256
    for opcode in pickletools.opcodes:
        width = 0 if opcode.arg is None else opcode.arg.n
        if opcode.name in ("GLOBAL", "INST"):
            width = _TWO_LINES
        to_mark = pickletools.markobject in opcode.stack_before
        pops = opcode.stack_before.index(pickletools.markobject) if to_mark else len(opcode.stack_before)
        is_text = opcode.name == "STRING" or opcode.name.endswith(("BINSTRING", "UNICODE", "UNICODE8"))
        pushed = None if not opcode.stack_after else _TEXT if is_text else _OTHER
        action = _ACTIONS.get(opcode.name)
        operations[ord(opcode.code)] = (width, to_mark, *((0, None) if action else (pops, pushed)), action)
    readers = {ord(opcode.code): opcode.arg.reader for opcode in pickletools.opcodes if opcode.arg}
    return operations, [0 if item is None else item[0] for item in operations], readers
