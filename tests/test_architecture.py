"""What holds the code together: arrows, loops, what importing costs, sizes, names, and what never may be in a file."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import modelwheel
import shape
from modelwheel_loader import doors, errors
from modelwheel_loader.show.codes import CODES

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
FILES = sorted(SRC.rglob("*.py"))
LOADER = sorted((SRC / "modelwheel_loader").rglob("*.py"))
CAPS = {
    "base + opening": (4_570, 18),
    "core": (13_550, 59),
    "loader": (18_420, 81),
    "onnx": (6_600, 45),
    "src": (37_800, 217),
}
"""The most lines and files of each part. Raise one only for what needs it, with the reason beside the number."""
MOST_NAMING_A_TYPE = 8
MOST_KNOWN = 12
MOST_NAMES = 22  # `types` is the 21st: the classes of types were in an internal module; `repack` renews old bundles
FOREIGN = {"numpy", "packaging", "onnxruntime", "scipy", "pyarrow", "polars", "pydantic"}
FOREIGN |= {"xgboost", "lightgbm", "catboost", "torch", "skops", "keras", "tensorflow"}
"""What the loader may import, all but numpy inside functions."""


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in FILES}


def homes() -> Iterator[tuple[str, str]]:
    """Each name of a ring's face, and the module that has it."""
    for ring, table in doors.FACES.items():
        package, home = f"modelwheel_loader.{ring}", ""
        for word in table.split():
            if word.endswith(":"):
                home = resolve_name(word[:-1], package)
            else:
                yield f"{package}.{word}", home


HOMES = dict(homes())


def imports(path: Path, *, top_only: bool = False, names: bool = False) -> Iterator[str]:
    """The modules that a file imports, or all names, also inside functions, but not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*stem, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in NAMES or names else base


def test_no_import_loop_even_through_functions() -> None:
    graph = {module_name(path): {name for name in imports(path) if name in NAMES} for path in FILES}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join([*above, name])
        if name in done:
            return
        for other in sorted(graph[name] - {name}):
            visit(other, (*above, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def folder_of(name: str) -> str:
    """`modelwheel.onnx` of a module in that folder; a module beside the folders stands for itself."""
    return ".".join(name.split(".")[:2])


def test_folders_of_the_author_need_each_other_one_way() -> None:
    """By what modules import when they are imported; what a function imports late may look the other way."""
    graph: dict[str, set[str]] = {}
    for path in FILES:
        if (name := module_name(path)).startswith("modelwheel."):
            needs = {folder_of(other) for other in imports(path, top_only=True) if other.startswith("modelwheel.")}
            graph.setdefault(folder_of(name), set()).update(needs - {folder_of(name), "modelwheel"})
    order = TopologicalSorter(graph)
    order.prepare()  # a loop is an error that shows it


OF_THE_LOADER = {"errors", "defects", "text", "opening.archive", "opening.graph", "opening.manifest", "opening.schema"}
OF_THE_LOADER |= {"opening.types", "run.onnx_runtime"}


def test_the_converter_could_be_a_distribution_of_its_own() -> None:
    """`modelwheel.onnx` imports nothing of modelwheel and little of the loader; others use its face alone."""
    for path in FILES:
        name, others = module_name(path), set(imports(path))
        if f"{name}.".startswith("modelwheel.onnx."):
            assert not {other for other in others if other.startswith("modelwheel.")} - {
                other for other in others if f"{other}.".startswith("modelwheel.onnx.")
            }, name
            homes = {home for other in imports(path, names=True) for home in [HOMES.get(other, other)]}
            modules = {home if home in NAMES else home.rpartition(".")[0] for home in homes}
            of_loader = {other.partition(".")[2] for other in modules if other.startswith("modelwheel_loader.")}
            assert of_loader <= OF_THE_LOADER, name
        else:
            assert not {other for other in others if other.startswith("modelwheel.onnx.")}, name


def test_arrows_of_the_loader_point_inward_hints_included() -> None:
    assert not shape.outward()


def test_circles_are_of_hints_alone_and_small() -> None:
    assert not shape.circles(types=False)
    assert max(map(len, shape.circles(types=True)), default=0) <= 7


@pytest.mark.parametrize("group", CAPS)
def test_the_rings_stay_small(group: str) -> None:
    modules = shape.groups()[group]
    most_lines, most_files = CAPS[group]
    assert shape.lines(modules) <= most_lines
    assert len(modules) <= most_files


def test_a_type_is_named_in_few_places() -> None:
    assert len(shape.naming("Duration")) <= MOST_NAMING_A_TYPE


def test_every_door_leads_somewhere() -> None:
    for name in doors.DOORS:
        assert callable(doors.door(name)), name
    for name in HOMES:
        package, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(package), attribute), name
        assert not hasattr(importlib.import_module(package), "nothing")


def test_the_author_knows_few_modules_of_the_loader() -> None:
    """The faces of the rings, and errors and texts beside them."""
    author = [path for path in FILES if path.relative_to(SRC).parts[0] == "modelwheel"]
    known = {name for path in author for name in imports(path) if name.split(".")[0] == "modelwheel_loader"}
    assert len(known) <= MOST_KNOWN, sorted(known)


def test_files_that_comments_name_are_there() -> None:
    for path in FILES:
        base = SRC / path.relative_to(SRC).parts[0]
        for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", path.read_text(encoding="utf-8")):
            assert name == "__init__.py" or (base / name).exists() or (path.parent / name).exists(), f"{path}: {name}"


def test_arrows_go_from_modelwheel_to_the_loader_only() -> None:
    for path in LOADER:
        assert not [name for name in imports(path) if name.split(".")[0] == "modelwheel"], path.name


def test_the_loader_is_standard_library_and_numpy() -> None:
    for path in LOADER:
        tops = {name.split(".")[0] for name in imports(path)} - {"modelwheel_loader"}
        assert tops <= set(sys.stdlib_module_names) | FOREIGN, path.name
        early = {name.split(".")[0] for name in imports(path, top_only=True)} - {"modelwheel_loader", "numpy"}
        assert early <= set(sys.stdlib_module_names), path.name


@pytest.mark.parametrize("module", ["modelwheel", "modelwheel_loader", "modelwheel_loader.bundle"])
def test_importing_brings_nothing_heavy(module: str) -> None:
    code = f"import json, sys, numpy; before = set(sys.modules); import {module}; "
    code += "print(json.dumps(sorted(set(sys.modules) - before)))"
    brought = set(
        json.loads(subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True).stdout)
    )
    heavy = "importlib.metadata packaging logging pandas scipy sklearn onnxruntime onnx cloudpickle polars pyarrow"
    assert not brought & set(heavy.split())


MOST_TO_OPEN = {"modelwheel": 31, "others": 11}
MOST_TO_ANSWER = {"modelwheel": 34, "others": 11}
"""How many modules may be imported, beyond those of numpy and onnxruntime, to open a bundle and to answer by ONNX.

A module more is a tenth of a millisecond at every start of every process: raise these for a reason only."""
SLOW_TO_IMPORT = (
    "argparse ast asyncio base64 concurrent copy csv ctypes dataclasses decimal difflib dis email fractions glob gzip "
    "hashlib html http importlib.metadata importlib.resources inspect logging multiprocessing numbers packaging "
    "pathlib pickle platform pprint queue random secrets select shutil signal socket ssl statistics string subprocess "
    "tarfile tempfile textwrap threading tokenize traceback unicodedata unittest urllib uuid xml zipfile"
)
"""Modules that opening a bundle and answering a row have no need of."""


def modules_of(code: str, *arguments: str, before: str = "numpy, onnxruntime") -> set[str]:
    """The modules that `code` imports in a process of its own, beyond those `before`."""
    program = f"import sys, {before}; seen = set(sys.modules)\n{code}\nprint(*set(sys.modules) - seen)"
    command = [sys.executable, "-I", "-W", "ignore", "-c", program, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    from models import pack_flights_like

    return str(pack_flights_like(tmp_path_factory.mktemp("packed")).path)


OPEN = "import modelwheel; bundle = modelwheel.open(sys.argv[1])"
ANSWER = f"{OPEN}; bundle.load(runtime={{!r}}).predict({{!r}})"


def test_opening_imports_little(wheel: str) -> None:
    check_few(modules_of(OPEN, wheel), MOST_TO_OPEN)


@pytest.mark.parametrize("runtime", ["onnx", "auto"])
def test_answering_a_row_by_onnx_imports_little(wheel: str, runtime: str) -> None:
    """Also nothing that knows DataFrames, and nothing that judges ranges of versions."""
    row = {"delay": 1.5, "distance": 100, "built": 1999.0, "carrier": "AA", "origin": "JFK"}
    found = modules_of(ANSWER.format(runtime, row), wheel)
    check_few(found, MOST_TO_ANSWER)
    idle = {f"modelwheel_loader.{name}" for name in ("isolated", "proof", "show", "bridges")}
    idle |= {f"modelwheel_loader.run.{name}" for name in ("native_runtime", "model_files", "unpickle", "pickle_names")}
    assert not found & (idle | {"modelwheel_loader.validate.careful", "modelwheel_loader.validate.problems"})


def check_few(found: set[str], most: dict[str, int]) -> None:
    ours = {name for name in found if name.partition(".")[0] in ("modelwheel", "modelwheel_loader")}
    assert not found & set(SLOW_TO_IMPORT.split())
    assert len(ours) <= most["modelwheel"], sorted(ours)
    assert len(found - ours) <= most["others"], sorted(found - ours)


def test_the_face_is_small_and_honest() -> None:
    assert len(modelwheel.__all__) <= MOST_NAMES
    for name in modelwheel.__all__:
        assert getattr(modelwheel, name) is not None
    assert set(modelwheel.__all__) <= set(dir(modelwheel))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = modelwheel.nothing


def test_no_environment_variable_changes_safety() -> None:
    users = {path.name for path in FILES if "os.environ" in path.read_text(encoding="utf-8")}
    # the place of the cache, SOURCE_DATE_EPOCH, what a worker, a replay and a resolver inherit, what Keras computes by,
    # telemetry
    known = {"integrity.py", "writer.py", "runtime.py", "fresh.py", "resolvers.py", "archives.py", "onnx_runtime.py"}
    assert users <= known


def test_no_keyword_soup_in_public_calls() -> None:
    allowed = {"with_field", "replace", "of", "add", "refuse", "node", "emit"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.kwarg:
                assert node.name in allowed, f"{path.name}: {node.name}"


def tree_of(cls: type[Exception], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, cls.__name__
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree_of(child, depth + 1)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if re.match(r"[│├└─ ]*\w+$", line) and line.strip()]
    drawn = [(len(re.match(r"[│├└─ ]*", line)[0]) // 4, line.lstrip("│├└─ ")) for line in lines]  # type: ignore[index]
    assert drawn == list(tree_of(errors.ModelwheelError))


def test_every_code_is_used_and_every_used_code_is_listed() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path.name != "codes.py")
    areas = "|".join(sorted({code.partition(".")[0] for code in CODES}))
    used = set(re.findall(rf'"((?:{areas})\.[a-z0-9-]+)"', text))
    assert set(CODES) - used == set()
    no_codes = {"examples.outputs"}  # a place in the manifest
    assert {code for code in used if not code.endswith((".json", ".py"))} - no_codes - set(CODES) == set()


def test_no_host_of_a_registry_or_file_store_is_named() -> None:
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        tracked = [ROOT / name for name in listed if name]
    else:  # an unpacked source archive
        tracked = [path for folder in ("src", "tests", "docs", "benchmarks") for path in (ROOT / folder).rglob("*")]
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))
    ]
    for path in filter(Path.is_file, tracked):
        data = path.read_bytes()
        for host in hosts:
            assert host.encode() not in data, f"{path} names {host}"


def test_nothing_depends_on_assertions() -> None:
    """`python -O` leaves them out; only `modelwheel.testing`, which is for tests, has them."""
    for path in set(FILES) - {SRC / "modelwheel" / "testing.py"}:
        found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Assert)]
        assert not found, path.name


def test_files_of_tests_have_names_of_their_own() -> None:
    """pytest takes two of one name for the same module, and collects neither well."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert not {name for name in names if names.count(name) > 1}
