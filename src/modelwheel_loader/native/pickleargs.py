"""The arguments of pickle opcodes: how to get past them, and how to read the few that hold names."""

from __future__ import annotations

from ..errors import InvalidBundle

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
