"""Models as people write them, packed by a script and loaded where nothing of the author is: never packed and failing
elsewhere. Each runs in a real environment of nothing but its lock, or is refused with the reason.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import pytest

import modelwheel
from environments import run
from modelwheel import Isolation

TRUST = modelwheel.Trust.unsafe_run_code()

HELPERS = {
    "helper.py": """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

OFFSET = 2.0
TABLE = {"a": 1.0}

def shift(X, by=OFFSET):
    return np.asarray(X) + by

def loud(function):
    import functools
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)
    return wrapper

class Shift(TransformerMixin, BaseEstimator):
    def __init__(self, by=1.0):
        self.by = by
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self
    def transform(self, X):
        return shift(X, self.by) + TABLE["a"]
""",
    "acme/__init__.py": "from .scaling import Scale\n",
    "acme/scaling.py": """
from ._vendor.tiny import twice
class Scale:
    def __call__(self, X):
        return twice(X)
""",
    "acme/_vendor/__init__.py": "",
    "acme/_vendor/tiny.py": "import numpy as np\ndef twice(X):\n    return np.asarray(X)[:, 0] * 2\n",
    "brought/__init__.py": "LIMIT = 1.5\n",
    "brought/steps.py": """
import functools
import numpy as np
from . import LIMIT

@functools.lru_cache
def limit():
    from brought import LIMIT as late
    return late

class Clip:
    def __call__(self, X):
        return np.minimum(np.asarray(X)[:, 0], limit()) + LIMIT
""",
}

AUTHOR = """
import collections, dataclasses, enum, functools, importlib, json, socket, sqlite3, sys, threading
from pathlib import Path
import numpy as np, pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
import modelwheel
from modelwheel import Dependencies, Examples, Options
import acme, helper
from brought.steps import Clip

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": np.where(X[:, 2] > 0, "x", "y")})
FACTOR = 3.0
SEEN = {"count": 1.0}

def with_globals(X):
    return np.asarray(X) * FACTOR + SEEN["count"]

class Outer:
    class Inner(TransformerMixin, BaseEstimator):
        class Deeper:
            weight = FACTOR
        def fit(self, X, y=None):
            self.n_features_in_ = X.shape[1]
            return self
        def transform(self, X):
            return np.asarray(X) * self.Deeper.weight

class Child(helper.Shift):
    def transform(self, X):
        return super().transform(X) * 2

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Model:
    colour: Colour
    point: tuple
    def __call__(self, X):
        return np.asarray(X)[:, 0] * self.point.x * self.colour.value

Point = collections.namedtuple("Point", "x y")

def closing(values):
    return lambda X: np.asarray(X)[:, 0] + values.sum()

@helper.loud
def decorated(X):
    return helper.shift(X)[:, 0]

@functools.lru_cache
def remembered():
    return 2.0

def late_scipy(X):
    from scipy.special import expit
    return expit(np.asarray(X)[:, 0])

def late_helper(X):
    import helper as inside
    return inside.shift(X)[:, 0]

def uses_main(X):
    return sys.modules["__main__"].FACTOR * np.asarray(X)[:, 0]

class Holds:
    def __init__(self, **parts):
        self.parts = parts
    def __call__(self, X):
        return np.asarray(X)[:, 0]

by_four = functools.partial(helper.shift, by=4.0)

def fitted(*steps):
    return make_pipeline(*steps, LogisticRegression()).fit(X, Y)

def encoders():
    from category_encoders import TargetEncoder
    return make_pipeline(TargetEncoder(cols=["kind"]), LogisticRegression()).fit(FRAME, Y)

def imbalanced():
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline
    return make_pipeline(RandomOverSampler(random_state=0), LogisticRegression()).fit(X, Y)

def engine():
    from feature_engine.discretisation import EqualWidthDiscretiser
    from feature_engine.encoding import OneHotEncoder
    from feature_engine.imputation import MeanMedianImputer
    first = MeanMedianImputer(variables=["a"]), OneHotEncoder(variables=["kind"])
    return make_pipeline(*first, EqualWidthDiscretiser(variables=["b"]), LogisticRegression()).fit(FRAME, Y)

BROUGHT = Dependencies(code=(Path("brought"),))
CASES = {
    "a lambda over a global": (lambda: fitted(FunctionTransformer(lambda X: X * FACTOR)), X),
    "a function over globals": (lambda: fitted(FunctionTransformer(with_globals)), X),
    "a nested class": (lambda: fitted(Outer.Inner()), X),
    "a class of a helper": (lambda: fitted(helper.Shift(2.0)), X),
    "a subclass of a class of a helper": (lambda: fitted(Child(2.0)), X),
    "a partial of a helper's function": (lambda: fitted(FunctionTransformer(by_four)), X),
    "a helper as a module": (lambda: lambda X: helper.shift(X)[:, 0] + helper.TABLE["a"], X),
    "a decorated function": (lambda: decorated, X),
    "a closure over an array": (lambda: closing(np.arange(5.0)), X),
    "a dataclass, an enum and a namedtuple": (lambda: Model(Colour.RED, Point(2.0, 3.0)), X),
    "a package with vendored code": (lambda: acme.Scale(), X),
    "a package as source": (lambda: Clip(), X, BROUGHT),
    "an import inside a function": (lambda: late_scipy, X),
    "category encoders": (encoders, FRAME),
    "imbalanced-learn": (imbalanced, X),
    "feature-engine": (engine, FRAME),
    "an import of a helper inside a function": (lambda: late_helper, X),
    "a function that remembers": (lambda: lambda X: np.asarray(X)[:, 0] * remembered(), X),
    "an open file": (lambda: Holds(log=[open(__file__)]), X),
    "an open binary file": (lambda: Holds(log=open(__file__, "rb")), X),
    "a socket": (lambda: Holds(connection=socket.socket()), X),
    "a database": (lambda: Holds(database=sqlite3.connect(":memory:")), X),
    "a lock": (lambda: Holds(lock=threading.Lock()), X),
    "a thread": (lambda: Holds(worker=threading.Thread()), X),
    "a generator": (lambda: Holds(rows=(row for row in X)), X),
    "an array of a GPU": (lambda: Holds(weights=OnTheDevice()), X),
    "the main module": (lambda: (lambda main: lambda X: main)(sys.modules["__main__"]), X),
}

class OnTheDevice:
    __cuda_array_interface__ = {"shape": (1,), "typestr": "<f4", "data": (0, False), "version": 3}

found = {}
for name, (make, sample, *more) in CASES.items():
    options = Options(runtimes=("native",))
    number = f"case-{len(found)}"
    try:
        bundle = modelwheel.pack(
            make(), name=number, version="1", sample=sample, options=options, out="dist",
            examples=Examples(rows=4), dependencies=more[0] if more else Dependencies(),
        )
        found[name] = {"path": str(bundle.path.resolve())}
    except modelwheel.errors.PackError as error:
        found[name] = {"refused": error.message, "defects": [defect.to_dict() for defect in error.defects]}
print(json.dumps(found))
"""

REFUSED = {
    "an import of a helper inside a function": ("pack.dependency", "imports helper", "model.pkl"),
    "a function that remembers": ("pack.dependency", "__main__.remembered", "remembered"),
    "an open file": ("pack.pickle", "an open file", "model.parts['log'][0]"),
    "an open binary file": ("pack.pickle", "an open file", "model.parts['log']"),
    "a socket": ("pack.pickle", "a network connection", "model.parts['connection']"),
    "a database": ("pack.pickle", "a connection to a database", "model.parts['database']"),
    "a lock": ("pack.pickle", "a lock", "model.parts['lock']"),
    "a thread": ("pack.pickle", "a lock", "model.parts['worker']"),
    "a generator": ("pack.pickle", "a generator", "model.parts['rows']"),
    "an array of a GPU": ("pack.pickle", "the memory of a GPU", "model.parts['weights']"),
    "the main module": ("pack.pickle", "__main__", "model"),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of every case, by a script of an author in a folder of their own."""
    folder = tmp_path_factory.mktemp("author")
    for name, text in HELPERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "train.py").write_text(AUTHOR)
    with contextlib.chdir(folder):
        made = run(sys.executable, "-W", "ignore", "train.py")
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    (folder / "train.py").unlink()  # nothing of the author is left to be found
    for name in HELPERS:
        (folder / name).unlink()
    return found


@pytest.mark.slow
def test_what_was_packed_answers_in_a_room_without_the_author(
    cases: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    isolation = Isolation(environments=tmp_path_factory.mktemp("rooms"))
    wrong = {}
    packed = {name: case["path"] for name, case in cases.items() if name not in REFUSED and "path" in case}
    for name, path in packed.items():
        with modelwheel.load(path, trust=TRUST, runtime="isolated", isolation=isolation) as model:
            report = model.check()
            if not report.ok:
                wrong[name] = str(report)
    assert not wrong, "\n".join(wrong.values())
    assert {name: cases[name] for name in cases if name not in packed and name not in REFUSED} == {}
    assert len(packed) == 16


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_travel_is_refused_with_the_reason_and_the_place(name: str, cases: dict[str, Any]) -> None:
    code, reason, where = REFUSED[name]
    assert "defects" in cases[name], cases[name]
    (defect,) = cases[name]["defects"]
    assert defect["code"] == code
    assert reason in defect["message"]
    assert where in defect.get("where", "") + defect["message"]
    assert defect.get("hint") or name == "the main module"
