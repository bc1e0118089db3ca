"""Which modules a function imports when it runs, read from its bytecode without running it."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from importlib.util import resolve_name
from types import CodeType, FunctionType


def imports_of(function: FunctionType) -> list[str]:
    """The absolute names of the modules in the function's own `import` statements, and in those of code inside it."""
    package = function.__globals__.get("__package__") or ""
    found: dict[str, None] = {}
    for level, name in _imports(function.__code__):
        try:
            found[resolve_name("." * level + name, package or None)] = None
        except ImportError:
            found["." * level + name] = None  # relative, and nowhere to start from
    return list(found)


def _imports(code: CodeType) -> Iterator[tuple[int, str]]:
    """Level and name of each IMPORT_NAME; the level is the constant loaded two instructions before."""
    constants: list[object] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level = constants[-2] if len(constants) > 1 else 0
            yield (level if isinstance(level, int) else 0), str(instruction.argval)
        elif instruction.opname.startswith("LOAD_"):
            constants.append(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imports(constant)
