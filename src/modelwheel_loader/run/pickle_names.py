"""The arguments of pickle opcodes: how to get past them, and how to read the few that hold names."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import NamedTuple

from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits

NAME_BYTES = 4_096
"""The longest module or attribute name that is read; Python's own names are far below it."""


def invalid(why: str) -> InvalidBundle:
    """Make the error for a malformed pickle."""
    return InvalidBundle.of("native.stream", f"the pickle is malformed: {why}")


LINE, TWO_LINES, LENGTH_1, LENGTH_4, LENGTH_8 = -1, -2, -3, -4, -5
_LENGTH_SIZES = {LENGTH_1: 1, LENGTH_4: 4, LENGTH_8: 8}


def skip(data: bytes, start: int, width: int) -> int:
    """The position behind an argument of variable width; beyond the end when it is truncated."""
    size = _LENGTH_SIZES.get(width)
    if size is not None:
        return start + size + int.from_bytes(data[start : start + size], "little")
    end = _line_end(data, start)
    return _line_end(data, end) if width == TWO_LINES else end


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    return len(data) + 1 if end < 0 else end + 1


def line_at(data: bytes, start: int) -> bytes:
    """The line at `start`, without its end, when it is no longer than a name."""
    end = data.index(b"\n", start)
    if end - start > NAME_BYTES:
        raise invalid(f"the name at byte {start} is too long")
    return data[start:end]


def number_at(data: bytes, start: int) -> int:
    """The memo key that is written in digits at `start`."""
    line = line_at(data, start)
    if not line.isdigit() or len(line) > 20:
        raise invalid(f"byte {start} begins no memo key")
    return int(line)


_SHORT_TEXT, _LONG_TEXT, _TEXT_LINE, _QUOTED_LINE = b"\x8cU", b"XT", ord("V"), ord("S")


def text_at(data: bytes, start: int) -> str:
    """The text that the opcode at `start` pushes."""
    opcode = data[start]
    if opcode == _TEXT_LINE:
        return decoded(line_at(data, start + 1), "raw-unicode-escape")
    if opcode == _QUOTED_LINE:
        return _unquoted(line_at(data, start + 1))
    size = 1 if opcode in _SHORT_TEXT else 4 if opcode in _LONG_TEXT else 8
    begin = start + 1 + size
    length = int.from_bytes(data[start + 1 : begin], "little")
    if length > NAME_BYTES:
        raise invalid(f"the name at byte {start} is too long")
    return decoded(data[begin : begin + length], "utf-8")


def decoded(raw: bytes, encoding: str) -> str:
    """The name that the bytes spell."""
    try:
        return raw.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise invalid(f"a name is not {encoding}") from error


def _unquoted(line: bytes) -> str:
    """Protocol 0 of Python 2 writes a text as its `repr`."""
    import codecs

    try:
        return str(codecs.escape_decode(line.strip()[1:-1])[0], "ascii")
    except ValueError as error:
        raise invalid("a name is not a quoted ASCII text") from error


def python2_names(module: str, qualname: str) -> tuple[str, str]:
    """Pickles below protocol 3 use the module names of Python 2, which the unpickler translates."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    if (module, qualname) in NAME_MAPPING:
        return NAME_MAPPING[module, qualname]
    return IMPORT_MAPPING.get(module, module), qualname


# The names that unpickling would look up, read from the opcodes of a pickle. Nothing is imported, nothing is run.
#
# The scanner simulates what the unpickler's stack and memo hold, as far as it matters for names: where each text came
# from. A pickle inside a `bytes` value is data until somebody unpickles it, so it is not followed; a name that the
# pickle computes while it is loaded is listed as `<computed>`. The list is information, never a gate: a trusted pickle
# may do anything.
#
# One pass. Payloads of texts, bytes and arrays are skipped, so a stream of 100 MB of array bytes takes microseconds;
# many small values cost about half a microsecond for each opcode. Memory is at most eight bytes for each memoised value
# and each value on the stack, less than unpickling takes.


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
    writes. Raises InvalidBundle when the stream is truncated, holds an unknown opcode, or is no pickle.
    """
    scanner = _Scanner(data, limits.pickle_references)
    scanner.run()
    return tuple(scanner.found)


# A value on the simulated stack is an integer: its kind in the lowest two bits, above them the position of the opcode
# that pushed a text, or the number of a reference in the order of finding.
_OTHER, _TEXT, _NAME, _TEXT_IN_TUPLE = range(4)
_SUBIMPORT = frozenset(
    {Reference("cloudpickle.cloudpickle", "subimport"), Reference("cloudpickle.cloudpickle_fast", "subimport")}
)


class _Scanner:
    """The state of one scan: the position is kept by `run`, everything else is here."""

    __slots__ = ("data", "found", "limit", "marks", "memo", "numbers", "protocol", "sparse", "stack")

    def __init__(self, data: bytes, limit: int) -> None:
        self.data = data
        self.limit = limit
        self.found: dict[Reference, int] = {}
        self.numbers: list[Reference] = []
        self.protocol = 0
        self.stack = array("Q")
        self.marks: list[int] = []
        self.memo = array("Q")  # memo keys count up from zero in every real pickle; others go to `sparse`
        self.sparse: dict[int, int] = {}

    def run(self) -> None:
        """Scan to the STOP opcode, which must be the last byte."""
        data, stack, end, position = self.data, self.stack, len(self.data), 0
        while position < end:
            start = position
            operation = _OPERATIONS[data[start]]
            if operation is None:
                raise invalid(f"byte {start} is no opcode (0x{data[start]:02x})")
            width, pops, push, action = operation
            position = start + 1 + width if width >= 0 else skip(data, start + 1, width)
            if position > end:
                raise invalid(f"the stream ends inside the opcode at byte {start}")
            if pops:
                if pops > len(stack):
                    raise invalid(f"the opcode at byte {start} takes a value that is not there")
                del stack[-pops:]
            if push:
                stack.append(start << 2 | _TEXT if push == _PUSH_TEXT else _OTHER)
            if action is not None:
                action(self, start)
        if not data or data[start] != _STOP:
            raise invalid("the stream ends without a STOP opcode")

    def top(self) -> int:
        """The value on the top of the stack."""
        if not self.stack:
            raise invalid("an opcode takes a value that is not there")
        return self.stack[-1]

    def pop(self) -> int:
        """Take the top value off the stack."""
        value = self.top()
        self.stack.pop()
        return value

    def pop_mark(self) -> None:
        """Drop everything above the last mark, and the mark."""
        if not self.marks:
            raise invalid("an opcode needs a mark that is not there")
        del self.stack[self.marks.pop() :]

    def remember(self, key: int) -> None:
        """Put the top value into the memo."""
        value = self.top()
        if key in self.sparse:
            self.sparse[key] = value
        elif key < len(self.memo):
            self.memo[key] = value
        elif key == len(self.memo):
            self.memo.append(value)
        else:
            self.sparse[key] = value

    def recall(self, key: int) -> None:
        """Push a value of the memo."""
        value = self.memo[key] if key < len(self.memo) else self.sparse.get(key)
        if value is None:
            raise invalid(f"memo entry {key} is read before it is written")
        self.stack.append(value)

    def refer(self, module: str, qualname: str) -> None:
        """Note a reference, and push it."""
        if self.protocol < 3:
            module, qualname = python2_names(module, qualname)
        self.stack.append(self.note(Reference(module, qualname)) << 2 | _NAME)

    def note(self, reference: Reference) -> int:
        """The number of a reference, which is listed if it is new."""
        number = self.found.setdefault(reference, len(self.found))
        if number == len(self.numbers):
            if number == self.limit:
                raise invalid(f"it refers to more than {self.limit:,} names")
            self.numbers.append(reference)
        return number

    def text(self, value: int) -> str:
        """The text behind a value of the stack, or `<computed>`."""
        return text_at(self.data, value >> 2) if value & 3 == _TEXT else COMPUTED


# --- what single opcodes do ---


def _proto(scan: _Scanner, start: int) -> None:
    scan.protocol = scan.data[start + 1]
    if scan.protocol > 5:
        raise invalid(f"protocol {scan.protocol} is unknown")


def _mark(scan: _Scanner, _start: int) -> None:
    scan.marks.append(len(scan.stack))


def _drop_to_mark(scan: _Scanner, _start: int) -> None:
    scan.pop_mark()


def _collect_to_mark(scan: _Scanner, _start: int) -> None:
    scan.pop_mark()
    scan.stack.append(_OTHER)


def _pop(scan: _Scanner, _start: int) -> None:
    if scan.marks and scan.marks[-1] == len(scan.stack):
        scan.marks.pop()
    else:
        scan.pop()


def _duplicate(scan: _Scanner, _start: int) -> None:
    scan.stack.append(scan.top())


def _tuple_of_one(scan: _Scanner, _start: int) -> None:
    value = scan.pop()
    scan.stack.append(value | _TEXT_IN_TUPLE if value & 3 == _TEXT else _OTHER)


def _reduce(scan: _Scanner, _start: int) -> None:
    """A call: only cloudpickle's import of a module by its name is looked into."""
    arguments, function = scan.pop(), scan.pop()
    if arguments & 3 == _TEXT_IN_TUPLE and function & 3 == _NAME and scan.numbers[function >> 2] in _SUBIMPORT:
        scan.note(Reference(text_at(scan.data, arguments >> 2), ""))
    scan.stack.append(_OTHER)


def _global(scan: _Scanner, start: int) -> None:
    module = line_at(scan.data, start + 1)
    qualname = line_at(scan.data, start + 2 + len(module))
    scan.refer(decoded(module, "utf-8"), decoded(qualname, "utf-8"))


def _instance(scan: _Scanner, start: int) -> None:
    scan.pop_mark()
    _global(scan, start)
    scan.stack[-1] = _OTHER


def _stack_global(scan: _Scanner, _start: int) -> None:
    qualname, module = scan.pop(), scan.pop()
    scan.refer(scan.text(module), scan.text(qualname))


def _extension(size: int) -> Callable[[_Scanner, int], None]:
    def action(scan: _Scanner, start: int) -> None:
        code = int.from_bytes(scan.data[start + 1 : start + 1 + size], "little")
        # what a code means depends on the process that loads it, so the registry is named and not its entry
        scan.stack.append(scan.note(Reference("copyreg", f"extension {code}")) << 2 | _NAME)

    return action


def _put(size: int) -> Callable[[_Scanner, int], None]:
    return lambda scan, start: scan.remember(_key(scan, start, size))


def _get(size: int) -> Callable[[_Scanner, int], None]:
    return lambda scan, start: scan.recall(_key(scan, start, size))


def _key(scan: _Scanner, start: int, size: int) -> int:
    if size == 0:
        return number_at(scan.data, start + 1)
    return int.from_bytes(scan.data[start + 1 : start + 1 + size], "little")


def _memoize(scan: _Scanner, _start: int) -> None:
    scan.remember(len(scan.memo) + len(scan.sparse))


def _stop(scan: _Scanner, start: int) -> None:
    scan.pop()
    if start + 1 != len(scan.data):
        raise invalid(f"{len(scan.data) - start - 1:,} bytes follow its end")


_STOP = ord(".")
_PUSH, _PUSH_TEXT = 1, 2
_Action = Callable[[_Scanner, int], None]
_Operation = tuple[int, int, int, _Action | None]


def _table() -> tuple[_Operation | None, ...]:
    """For each byte: the width of the argument, how many values are popped, what is pushed, and what else happens."""
    table: list[_Operation | None] = [None] * 256

    def add(opcodes: bytes, width: int, pops: int, push: int, action: _Action | None = None) -> None:
        for opcode in opcodes:
            table[opcode] = (width, pops, push, action)

    add(b"N)]}\x88\x89\x8f\x97", 0, 0, _PUSH)  # constants, empty containers, the next buffer
    add(b"K", 1, 0, _PUSH)
    add(b"M", 2, 0, _PUSH)
    add(b"J", 4, 0, _PUSH)
    add(b"G", 8, 0, _PUSH)
    add(b"FILP", LINE, 0, _PUSH)
    add(b"C\x8a", LENGTH_1, 0, _PUSH)
    add(b"B\x8b", LENGTH_4, 0, _PUSH)
    add(b"\x8e\x96", LENGTH_8, 0, _PUSH)
    add(b"SV", LINE, 0, _PUSH_TEXT)
    add(b"U\x8c", LENGTH_1, 0, _PUSH_TEXT)
    add(b"TX", LENGTH_4, 0, _PUSH_TEXT)
    add(b"\x8d", LENGTH_8, 0, _PUSH_TEXT)
    add(b"Q", 0, 1, _PUSH)
    add(b"\x98", 0, 1, _PUSH)
    add(b"\x81\x86", 0, 2, _PUSH)
    add(b"\x87\x92", 0, 3, _PUSH)
    add(b"ab", 0, 1, 0)  # APPEND and BUILD leave the object that they change
    add(b"s", 0, 2, 0)
    add(b"eu\x901", 0, 0, 0, _drop_to_mark)
    add(b"dlto\x91", 0, 0, 0, _collect_to_mark)
    add(b"\x95", 8, 0, 0)  # FRAME: the opcodes inside follow directly
    add(b"\x80", 1, 0, 0, _proto)
    add(b"(", 0, 0, 0, _mark)
    add(b"0", 0, 0, 0, _pop)
    add(b"2", 0, 0, 0, _duplicate)
    add(b"\x85", 0, 0, 0, _tuple_of_one)
    add(b"R", 0, 0, 0, _reduce)
    add(b"c", TWO_LINES, 0, 0, _global)
    add(b"i", TWO_LINES, 0, 0, _instance)
    add(b"\x93", 0, 0, 0, _stack_global)
    add(b"\x94", 0, 0, 0, _memoize)
    add(b".", 0, 0, 0, _stop)
    for opcode, size in ((b"\x82", 1), (b"\x83", 2), (b"\x84", 4)):
        add(opcode, size, 0, 0, _extension(size))
    for opcode, width, size in ((b"p", LINE, 0), (b"q", 1, 1), (b"r", 4, 4)):
        add(opcode, width, 0, 0, _put(size))
    for opcode, width, size in ((b"g", LINE, 0), (b"h", 1, 1), (b"j", 4, 4)):
        add(opcode, width, 0, 0, _get(size))
    return tuple(table)


_OPERATIONS = _table()
