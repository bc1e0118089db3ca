"""A disk, a network or a process that has run out of something: any call to the system may fail, and all is typed."""

from __future__ import annotations

import errno
import gc
import itertools
import mmap
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from builders import install
from modelwheel.errors import ModelwheelError, ResolutionError

X = [[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [3.0, 0.0]]
CALLS = [
    (os, "open", errno.EMFILE),
    (os, "dup", errno.EMFILE),
    (os, "fstat", errno.ESTALE),
    (os, "pread", errno.EIO),
    (os, "scandir", errno.ESTALE),
    (os, "close", errno.EIO),
    (mmap, "mmap", errno.ENOMEM),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = LinearRegression().fit(X, [1.0, 2.0, 3.0, 4.0])
    return modelwheel.pack(model, name="line", version="1.0", sample=X, out=tmp_path_factory.mktemp("dist")).path


@pytest.fixture(params=["wheel", "folder", "installed"])
def path(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    if request.param == "wheel":
        return wheel
    if request.param == "installed":
        return install(wheel, tmp_path / "site")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "folder")
    return tmp_path / "folder"


class Failing:
    """Lets one call of a function of the system fail: the one with this number, counted from 1."""

    def __init__(self, module: Any, name: str, number: int, at: int) -> None:
        self._module, self._name, self._real = module, name, getattr(module, name)
        self._errno, self._at = number, at
        self.count = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.count += 1
        made = self._real(*arguments, **options) if self._name == "close" or self.count != self._at else None
        if self.count == self._at:
            raise OSError(self._errno, os.strerror(self._errno))
        return made

    def __enter__(self) -> Self:
        setattr(self._module, self._name, self)
        return self

    def __exit__(self, *exception: object) -> None:
        setattr(self._module, self._name, self._real)


def use(path: Path, cache: Path) -> None:
    """Everything that reads the bundle."""
    trust = modelwheel.Trust.unsafe_run_code()
    with modelwheel.open(path) as bundle, bundle.load(trust=trust, runtime="native", cache=cache) as model:
        assert model.predict([[1.0, 3.0]]).shape == (1,)
        for step in bundle.verify().steps:
            if step.outcome == "failed":
                raise ResolutionError(step.detail, step.defects)
        assert bundle.explain()
        assert bundle.metadata["name"] == ("line",)


def failures(path: Path, cache: Path, module: Any, name: str, number: int) -> Iterator[ModelwheelError | None]:
    """What comes of a failure of the first call, of the second, and so on; None where it changed nothing."""
    for at in range(1, 1000):
        with Failing(module, name, number, at) as failing:
            try:
                use(path, cache)
            except ModelwheelError as error:
                yield error
            else:
                if failing.count < at:
                    return
                yield None


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(("module", "name", "number"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
def test_any_call_to_the_system_may_fail(path: Path, tmp_path: Path, module: Any, name: str, number: int) -> None:
    use(path, tmp_path)  # imports, which read files too
    opened = open_descriptors()
    for error in failures(path, tmp_path / "cache", module, name, number):
        assert error is None or isinstance(error, ResolutionError), error
        assert error is None or os.strerror(number) in str(error)
    error = None  # its traceback holds what was open
    gc.collect()
    assert open_descriptors() <= opened, "descriptors were left open"


def limit_that_leaves(free: int) -> int:
    """The limit under which so many descriptors are free; other tests leave some of any number in use."""
    numbers = itertools.count()
    while free:
        try:
            os.fstat(number := next(numbers))
        except OSError:
            free -= 1
    return number + 1


def test_the_processs_own_limit_of_descriptors(path: Path, tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    use(path, tmp_path)
    lowest = os.dup(0)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        with pytest.raises(ResolutionError, match="Too many open files"):
            modelwheel.open(path)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit_that_leaves(8), before[1]))
        use(path, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_relative_paths_mean_the_same_after_the_directory_was_changed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    trust = modelwheel.Trust.unsafe_run_code()
    monkeypatch.chdir(path.parent)
    bundle = modelwheel.open(Path(path.name))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = bundle.load(trust=trust, runtime="native")
    assert bundle.verify(trust=trust).ok
    if bundle.kind == "installed":  # trust goes by where it lies, not by what that spelling means now
        monkeypatch.syspath_prepend(path.parent)
        assert bundle.load(runtime="native").methods == ("predict",)
    if bundle.kind != "installed":  # those travel by name
        assert pickle.loads(pickle.dumps(model)).predict(X).tolist() == model.predict(X).tolist()
        assert pickle.loads(pickle.dumps(bundle)).digest == bundle.digest


def test_a_link_before_the_parent_is_followed(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`link/../x.whl` is beside what the link leads to, not beside the link."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "inner")
    (tmp_path / "real" / wheel.name).write_bytes(wheel.read_bytes())
    monkeypatch.chdir(tmp_path)
    bundle = modelwheel.open(f"link/../{wheel.name}")
    monkeypatch.chdir(tmp_path / "real")
    model = bundle.load(trust=modelwheel.Trust.unsafe_run_code())
    assert model.__reduce__()[1][0] == str(tmp_path / "link" / ".." / wheel.name)
