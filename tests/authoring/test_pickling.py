from __future__ import annotations

import enum
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, AnyStr, TypeVar

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from modelwheel.pickling.dump import OUT_OF_BAND, Pickled, dump
from modelwheel_loader.errors import PackError
from modelwheel_loader.run.pickle_names import references
from modelwheel_loader.run.unpickle import load_pickle

X = np.random.default_rng(0).random((300, 4))
Y = (X[:, 0] > 0.5).astype(int)


def digest(pickled: Pickled) -> str:
    whole = hashlib.sha256(pickled.stream)
    for piece in pickled.pieces:
        whole.update(piece)
    return whole.hexdigest()


def reloaded(pickled: Pickled) -> Any:
    """Loaded as the loader does: the buffers from one private block of memory."""
    block = memoryview(bytearray(b"".join(bytes(piece) for piece in pickled.pieces)))
    return load_pickle(pickled.stream, [block[offset : offset + size] for offset, size in pickled.spans])


# --- two processes, two hash seeds, two notebooks ---

PREAMBLE = """
import hashlib, os, sys, types, warnings
import numpy as np
CELLS = []
def cell(source):
    # as ipykernel does: every cell is compiled under a temporary path with the process id and a hash in it
    path = f"/tmp/ipykernel_{os.getpid()}/{abs(hash(source)) % 10**9}.py"
    exec(compile(source, path, "exec"), sys.modules["__main__"].__dict__)
def show(model):
    from modelwheel.pickling.dump import dump
    pickled = dump(model)
    whole = hashlib.sha256(pickled.stream + b"".join(bytes(piece) for piece in pickled.pieces)).hexdigest()
    for secret in (b"ipykernel", b"/tmp/", str(os.getpid()).encode() + b"/", os.getcwd().encode()):
        assert secret not in pickled.stream, secret
    print(whole, pickled.reproducible)
X = np.random.default_rng(0).random((300, 4)); Y = (X[:, 0] > 0.5).astype(int)
"""

MODELS = {
    "forest": """
from sklearn.ensemble import RandomForestClassifier
show(RandomForestClassifier(20, random_state=0).fit(X, Y))
""",
    "text": """
from sklearn.feature_extraction.text import TfidfVectorizer
model = TfidfVectorizer(stop_words=["the", str(len(sys.argv))]).fit(["the cat sat", "a dog and a cat", "zebras"])
model.seen_ = {"cat", "dog", "zebra", "yak", ("a", "b"), ("c",)}
show(model)
""",
    "notebook class": '''
cell("""
from sklearn.base import BaseEstimator
class Scale(BaseEstimator):
    WORDS = frozenset({"x", "yy", "zzz", "wwww"})
    def __init__(self, factor=2): self.factor = factor
    def fit(self, X, y=None):
        self.seen_ = {"a", "b", "c", "d"}
        return self
    def predict(self, X):
        return [self.helper(row) in {"p", "q", "r"} for row in X]
    def helper(self, row): return super().__repr__() + str(limit)
limit = 7
""")
show(Scale().fit(X))
''',
    "lambdas in a pipeline": '''
cell("""
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.pipeline import make_pipeline
from sklearn.ensemble import RandomForestClassifier
offset = 3
def shift(by):
    def inner(X):
        def innermost(Y): return Y + by + offset
        return innermost(X)
    return inner
""")
show(make_pipeline(FunctionTransformer(shift(2)), FunctionTransformer(lambda X: np.abs(X) * offset),
    StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, Y))
''',
    "dataclass and enum": '''
cell("""
import dataclasses, enum, typing
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"
@dataclasses.dataclass
class Point:
    x: int
    y: float = 2.0
    tags: set = dataclasses.field(default_factory=set)
    colour: Colour = Colour.RED
    def __call__(self, X): return X * self.x + self.y
""")
show({"p": Point(1, tags={"k", "l", "m"}), "colours": {Colour.RED, Colour.BLUE, Colour.GREEN}})
''',
    "abstract class": '''
cell("""
import abc
class Base(abc.ABC):
    @abc.abstractmethod
    def one(self): ...
    @abc.abstractmethod
    def two(self): ...
    @property
    def three(self): return 3
class Child(Base):
    def one(self): return 1
    def two(self): return self.one() + 1
    def __call__(self, X): return X
""")
show(Child())
''',
    "nested sets": """
show({"a": {frozenset({"x", "y", "z"}), frozenset({"p", "q"}), frozenset()}, "b": {1, 2.5, "x", b"y", None, (1, "z")}})
""",
    "random generator, sparse, categorical": """
import pandas as pd, scipy.sparse
show({"rng": np.random.default_rng(3), "old": np.random.RandomState(3), "csr": scipy.sparse.csr_matrix(np.eye(50)),
    "cat": pd.Series(["b", "a", None], dtype="category"), "frame": pd.DataFrame({"s": ["x", None], "n": [1, 2]}),
    "big": np.arange(20000.0), "fortran": np.asfortranarray(np.arange(20000.0).reshape(100, 200)),
    "strided": np.arange(40000.0)[::2]})
""",
}


def run(seed: int, folder: Path) -> dict[str, str]:
    """What every model gives in a process of its own: the digest, and whether it is said to be reproducible."""
    folder.mkdir()
    path = folder / "train.py"
    path.write_text(PREAMBLE + "".join(MODELS.values()))
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(path)], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(MODELS, done.stdout.splitlines(), strict=True))


@pytest.fixture(scope="module")
def in_two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder = tmp_path_factory.mktemp("processes")
    return [run(1, folder / "one"), run(2, folder / "two")]


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_give_the_same_bytes(name: str, in_two_processes: list[dict[str, str]]) -> None:
    first, second = in_two_processes
    assert first[name] == second[name]
    assert first[name].endswith(" True")


# --- reloaded models ---


def models() -> dict[str, Callable[[], Any]]:
    texts = ["the cat sat", "a dog and a cat", "zebras"]
    return {
        "forest": lambda: RandomForestClassifier(10, random_state=0).fit(X, Y),
        "text": lambda: TfidfVectorizer(stop_words=["the"]).fit(texts),
        "pipeline": lambda: make_pipeline(StandardScaler(), FunctionTransformer(np.abs), LinearRegression()).fit(X, Y),
        "large": lambda: LinearRegression().fit(np.random.default_rng(1).random((50, 20_000)), np.arange(50.0)),
        "mixed": lambda: {"l": [np.arange(3), np.arange(30_000)], "o": np.array([None, "x", 1.5], dtype=object)},
    }


@pytest.mark.parametrize("name", models())
def test_a_reloaded_model_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    model = models()[name]()
    first = dump(model)
    joblib.dump(model, tmp_path / "model.joblib")
    assert first.reproducible
    assert digest(dump(joblib.load(tmp_path / "model.joblib"))) == digest(first)
    assert digest(dump(reloaded(first))) == digest(first)


def test_a_model_that_joblib_mapped_gives_the_same_bytes(tmp_path: Path) -> None:
    model = models()["large"]()
    joblib.dump(model, tmp_path / "model.joblib")
    assert digest(dump(joblib.load(tmp_path / "model.joblib", mmap_mode="r"))) == digest(dump(model))


def test_the_original_is_not_changed() -> None:
    class Local:
        def __call__(self, X: Any) -> Any:
            return X

    before = Local.__call__.__code__
    dump(Local())
    assert Local.__call__.__code__ is before
    assert Local.__call__.__code__.co_filename == __file__


def test_dumping_again_in_this_process_gives_the_same_bytes() -> None:
    def make(number: int) -> Any:
        class Local:
            weight = number

            def __call__(self, X: Any) -> Any:
                return X * self.weight

        return Local()

    first, second = make(1), make(2)
    assert dump(first).stream == dump(make(1)).stream
    assert dump(first).stream != dump(second).stream
    one, two = reloaded(dump(first)), reloaded(dump(second))
    assert (one(1), two(1)) == (1, 2)


# --- buffers ---


def test_large_arrays_lie_beside_the_stream_and_small_and_empty_ones_in_it() -> None:
    arrays = [np.zeros(OUT_OF_BAND, "u1"), np.zeros(OUT_OF_BAND - 1, "u1"), np.zeros(0), np.arange(10_001.0)]
    pickled = dump(arrays)
    assert [buffer.nbytes for buffer in pickled.buffers] == [OUT_OF_BAND, 80_008]
    assert pickled.spans == ((0, OUT_OF_BAND), (OUT_OF_BAND, 80_008))
    assert sum(len(piece) for piece in pickled.pieces) % 64 == 0
    for before, after in zip(arrays, reloaded(pickled), strict=True):
        assert np.array_equal(before, after)
        assert after.flags.writeable


def test_large_arrays_are_not_copied() -> None:
    large = np.arange(100_000.0)
    (buffer,) = dump({"large": large}).buffers
    assert np.shares_memory(np.frombuffer(buffer, "u1"), large)


def test_large_strided_arrays_are_mapped_as_well() -> None:
    strided = np.arange(200_000.0).reshape(1000, 200)[:, ::2]
    pickled = dump(strided)
    assert len(pickled.stream) < 1000
    assert np.array_equal(reloaded(pickled), strided)


def test_read_only_arrays_and_bytes_give_the_same_bytes_as_writable_ones() -> None:
    for size in (10, 100_000):
        writable = np.arange(float(size))
        fixed = writable.copy()
        fixed.flags.writeable = False
        assert digest(dump([fixed])) == digest(dump([writable]))


def test_what_is_mapped_and_what_is_copied_is_measured() -> None:
    linear = dump(models()["large"]())
    assert linear.mapped_bytes == linear.buffers[0].nbytes == 160_000
    assert linear.copied_bytes == len(linear.stream)
    forest = dump(
        RandomForestClassifier(2, random_state=0).fit(np.random.default_rng(0).random((5000, 3)), np.arange(5000) % 2)
    )
    assert forest.buffers  # tree nodes lie outside, and scikit-learn copies them when it loads
    assert forest.mapped_bytes == 0
    assert forest.copied_bytes == len(forest.stream) + sum(buffer.nbytes for buffer in forest.buffers)


def test_padding_between_the_fields_of_tree_nodes_is_not_packed() -> None:
    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 16})
    one, two = np.zeros(20, kind), np.zeros(20, kind)
    two.view("u1").reshape(20, 16)[:, 3] = 99
    assert dump(one).stream == dump(two).stream


# --- the same object comes back ---

members = st.integers() | st.text(max_size=4) | st.booleans() | st.none() | st.floats(allow_nan=False)
trees = st.recursive(
    members | st.sets(members) | st.frozensets(st.frozensets(members, max_size=3), max_size=3) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_values_come_back_equal_and_their_bytes_are_stable(value: object) -> None:
    pickled = dump(value)
    assert reloaded(pickled) == value
    assert pickled.reproducible
    assert dump(reloaded(pickled)).stream == pickled.stream


def test_shared_and_recursive_objects_keep_their_shape() -> None:
    shared = [1]
    loop: dict[str, Any] = {"a": shared, "b": shared}
    loop["self"] = loop
    after = reloaded(dump(loop))
    assert after["a"] is after["b"]
    assert after["self"] is after


class Node:
    """Hashes by identity and knows the set that it is in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.friends: set[Node] = set()


def test_a_set_whose_members_refer_back_to_it() -> None:
    nodes = [Node("b"), Node("a"), Node("c")]
    for node in nodes:
        node.friends.update(nodes)
    after = reloaded(dump(nodes))
    assert {node.name for node in after[0].friends} == {"a", "b", "c"}
    assert after[1] in after[0].friends


def test_deep_objects() -> None:
    deep: list[Any] = []
    for _ in range(1500):
        deep = [deep]
    after, depth = reloaded(dump(deep)), 0
    while after:
        after, depth = after[0], depth + 1
    assert depth == 1500


def test_enums_and_sentinels_by_value_work_after_loading() -> None:
    import dataclasses

    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Point:
        x: int
        tags: list[int] = dataclasses.field(default_factory=list)
        colour: Colour = Colour.RED

    after = reloaded(dump([Point(3), Point]))
    assert after[1](5).tags == []
    assert after[0].colour is type(after[0].colour).RED
    assert dataclasses.replace(after[0], x=9).x == 9
    assert dataclasses.fields(after[0])[0].default is dataclasses.MISSING


# --- what cannot be pickled ---


class Holder:
    def __init__(self, inner: object) -> None:
        self.steps = [("first", 1), ("second", {"inner": inner})]


@pytest.mark.parametrize("kind", ["lock", "socket", "generator", "file", "text file"])
def test_what_cannot_be_pickled_is_refused_with_the_path_to_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("secret content")
    with socket.socket() as sock, path.open("rb") as binary, path.open() as text:
        things = {
            "lock": threading.Lock(),
            "socket": sock,
            "generator": (i for i in range(3)),
            "file": binary,
            "text file": text,
        }
        with pytest.raises(PackError) as caught:
            dump(Holder(things[kind]))
    assert caught.value.defects[0].where == "model.steps[1][1]['inner']"
    assert caught.value.__cause__ is not None


def test_a_lambda_over_a_lock_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(PackError) as caught:
        dump(Holder(lambda X: lock and X))
    assert caught.value.defects[0].where.startswith("model.steps[1][1]['inner']")


class Once:
    """Can be pickled, and not unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


class Drifting:
    """Never the same twice."""

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def __reduce__(self) -> tuple[Any, ...]:
        return Drifting, (self.count + 1,)


def test_what_cannot_be_unpickled_is_refused() -> None:
    with pytest.raises(PackError, match="no number"):
        dump(Once())


def test_bytes_that_never_settle_are_said_to_be_not_reproducible() -> None:
    pickled = dump(Drifting())
    assert not pickled.reproducible
    assert "changes each time" in pickled.reason


def test_without_cloudpickle_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['cloudpickle'] = None\n"
        "from modelwheel.pickling.dump import dump\n"
        "from modelwheel_loader.errors import MissingExtra\n"
        "try: dump([])\n"
        "except MissingExtra as error: print(error.code, error.hint)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == 'pack.extra pip install "modelwheel[pack]"\n'


# --- what travels ---


def test_no_host_path_is_packed() -> None:
    def local(X: Any) -> Any:
        return X

    stream = dump(local).stream
    assert str(Path(__file__).parent).encode() not in stream
    assert all(reference.module != __name__ for reference in references(stream))


def test_pandas_and_scipy_objects_come_back() -> None:
    after = reloaded(dump({"m": scipy.sparse.csr_matrix(np.eye(300)), "s": pd.Series(["a", None], dtype="category")}))
    assert (after["m"] != scipy.sparse.csr_matrix(np.eye(300))).nnz == 0
    assert list(after["s"].cat.categories) == ["a"]


def test_members_of_a_set_that_cannot_be_told_apart_are_not_reproducible() -> None:
    pickled = dump({"alike": {Node("x"), Node("x")}})
    assert not pickled.reproducible
    assert "told apart" in pickled.reason
    assert len(reloaded(pickled)["alike"]) == 2


def test_objects_in_sets_are_told_apart_by_their_arrays_and_their_sets() -> None:
    nodes = [Node("x") for _ in range(4)]
    for number, node in enumerate(nodes):
        node.friends = {number, frozenset({number, "y"})}  # type: ignore[arg-type]
        node.name = np.full(20_000, number % 2)  # type: ignore[assignment]
    pickled = dump(set(nodes))
    assert pickled.reproducible
    assert len(pickled.buffers) == 4


def test_a_frozenset_with_a_member_that_refers_back_to_it() -> None:
    node = Node("x")
    loop = frozenset({node, 1})
    node.friends = loop  # type: ignore[assignment]
    (after,) = (item for item in reloaded(dump(loop)) if item != 1)
    assert after in after.friends


def test_type_variables_by_value_give_the_same_bytes() -> None:
    first, second = TypeVar("first", bound=int), TypeVar("first", bound=int)
    first.__module__ = second.__module__ = "__main__"
    assert dump(first).stream == dump(second).stream
    assert dump(AnyStr).stream == dump(AnyStr).stream


def test_a_mapped_array_of_objects_and_a_standard_stream_travel(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "m.bin", dtype="f8", mode="w+", shape=(4, 6))[:, ::2]
    mapped[:] = 5
    assert type(reloaded(dump(mapped))) is np.ndarray
    assert np.array_equal(reloaded(dump(mapped)), mapped)


def test_a_read_only_large_array_is_loaded_writable() -> None:
    fixed = np.arange(20_000.0)
    fixed.flags.writeable = False
    assert reloaded(dump(fixed)).flags.writeable


def test_an_object_that_is_too_deep_for_pythons_stack_and_cannot_be_pickled() -> None:
    deep: Any = threading.Lock()
    for _ in range(1500):
        deep = [deep]
    with pytest.raises(PackError) as caught:
        dump(deep)
    assert caught.value.defects[0].where.endswith("…")


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_what_differs_only_in_its_buffers_after_loading_never_settles(size: int) -> None:
    assert not dump(Counting(np.zeros(size, "u1"))).reproducible


class Counting:
    """Changes its array each time that it is loaded."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.weights = state["weights"].copy()
        self.weights[-1] += 1
