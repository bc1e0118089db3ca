"""How large each ring of the source is, and what it imports: `python tests/shape.py` prints a table.

`tests/test_architecture.py` holds the numbers below their caps. A cap is raised only in the commit that needs it, with
the reason beside the number.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
LOADER = SRC / "modelwheel_loader"
BASE = ("errors", "defects", "records", "text", "limits")
OPTIONAL = ("isolated", "bridges", "show")
"""The layers of the loader that are reached through `doors.py` alone."""
RINGS = (("doors", *BASE), ("opening",), ("validate",), ("native", "run"), ("proof",), ("bundle", "model", "__init__"))
"""The rings from the inside out: each may import itself and those before it. The optional layers are outside."""


def module_name(path: Path) -> str:
    """The dotted name of a file below `src`."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(SRC.rglob("*.py"))}


def lines(names: Iterable[str]) -> int:
    """How many lines the files of these modules have."""
    return sum(len(FILES[name].read_text(encoding="utf-8").splitlines()) for name in names)


def part(name: str) -> str:
    """The ring or file of the loader that a module is in: `opening` for `modelwheel_loader.opening.names`."""
    return name.split(".")[1] if "." in name else "__init__"


def in_loader() -> list[str]:
    """The modules of the loader."""
    return [name for name in FILES if name.partition(".")[0] == "modelwheel_loader"]


def groups() -> dict[str, list[str]]:
    """The modules of each part that has a cap of its own."""
    loader = in_loader()
    return {
        "base + opening": [name for name in loader if part(name) in (*BASE, "opening")],
        "core": [name for name in loader if part(name) not in OPTIONAL],
        "loader": loader,
        "onnx": [name for name in FILES if f"{name}.".startswith("modelwheel.onnx.")],
        "src": list(FILES),
    }


def imported(name: str, *, types: bool) -> Iterator[str]:
    """The modules of ours that a module imports, also inside functions; with `types` also for hints alone."""
    path = FILES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hints: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            hints |= {id(inner) for inner in ast.walk(node)}
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in hints and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom):
            stem = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*stem, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in FILES or base in FILES:
                    yield whole if whole in FILES else base


def circles(*, types: bool) -> list[list[str]]:
    """The groups of modules that import each other in a circle (Tarjan's algorithm)."""
    graph = {name: set(imported(name, types=types)) - {name} for name in FILES}
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            circle = [*stack[stack.index(name) :]]
            del stack[stack.index(name) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def outward() -> list[str]:
    """The arrows of the loader that point outward, hints included; `doors.py` is the one way out and has none."""
    order = {name: place for place, ring in enumerate(RINGS) for name in ring}
    outermost = len(RINGS)
    wrong: list[str] = []
    for name in in_loader():
        if part(name) in OPTIONAL or part(name) == "__main__":
            continue
        here = order.get(part(name), outermost)
        wrong += [
            f"{name} -> {other}"
            for other in imported(name, types=True)
            if other.partition(".")[0] != "modelwheel_loader" or order.get(part(other), outermost) > here
        ]
    return wrong


def naming(word: str) -> list[str]:
    """The modules in which a name occurs, comments and texts included."""
    return [name for name, path in FILES.items() if word in path.read_text(encoding="utf-8")]


def main() -> None:
    """Print the shape."""
    for name, modules in groups().items():
        print(f"{name:16} {lines(modules):6,} lines in {len(modules)} files")
    for ring in ("opening", "validate", "run", "proof", *OPTIONAL):
        modules = [name for name in in_loader() if part(name) == ring]
        print(f"  {ring:14} {lines(modules):6,} lines in {len(modules)} files")
    print("names Duration  ", len(naming("Duration")), "files")
    print("names Tensor    ", len(naming("Tensor")), "files")
    for arrow in outward():
        print("outward:", arrow)
    for circle in circles(types=True):
        print(f"circle of {len(circle)}, hints included:", " ".join(circle))
    for circle in circles(types=False):
        print("circle:", " ".join(circle))


if __name__ == "__main__":
    main()
