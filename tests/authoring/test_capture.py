from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelwheel.capturing.capture import capture, distribution_requirement
from modelwheel.options import Dependencies
from modelwheel.origins import Origins
from modelwheel_loader.errors import DependencyError, PackError
from modelwheel_loader.run.environment import check
from modelwheel_loader.run.pickle_names import references

X = np.random.default_rng(0).random((40, 3))
Y = np.arange(40) % 2


class Folder:
    """A folder on the path, with modules and fake installations; everything is undone afterwards."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def module(self, name: str, source: str) -> Any:
        file = self.path / (name.replace(".", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def install(self, name: str, number: str, files: list[str], **texts: str) -> None:
        info = self.path / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        for key, text in texts.items():
            (info / key.replace("__", ".")).write_text(text)
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{info.name}/METADATA"]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    before = set(sys.modules)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    yield Folder(site)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def needs(model: object, **also: str) -> dict[str, str]:
    return {item.name: item.reason for item in capture(model, also).requires}


def run_elsewhere(model: object, argument: object, tmp_path: Path) -> str:
    """What the packed model answers in a process that has none of this test's folders."""
    pickled = capture(model).content
    (tmp_path / "model.pkl").write_bytes(pickled.data)
    code = (
        "import sys, pathlib\n"
        "from modelwheel_loader.run.unpickle import load_pickle\n"
        f"model = load_pickle(pathlib.Path({str(tmp_path / 'model.pkl')!r}).read_bytes())\n"
        f"print(model({argument!r}))\n"
    )
    source = str(Path(sys.modules["modelwheel"].__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- installed distributions ---


def test_each_distribution_has_its_version_its_range_and_its_reason() -> None:
    captured = capture(make_pipeline(LogisticRegression()).fit(X, Y))
    by_name = {item.name: item for item in captured.requires}
    assert set(by_name) == {"numpy", "scikit-learn"}
    assert by_name["scikit-learn"].version == version("scikit-learn")
    assert by_name["scikit-learn"].specifier == f"~={version('scikit-learn')}"
    assert by_name["scikit-learn"].reason == "sklearn.pipeline.Pipeline in model.pkl"
    assert not captured.by_value
    assert captured.python_specifier == ">=3.11"
    assert check(captured.python_specifier, captured.requires) == []


def test_code_by_value_needs_cloudpickle_this_python_and_what_it_uses() -> None:
    captured = capture(
        make_pipeline(FunctionTransformer(lambda table: pd.DataFrame(table) + 0), LogisticRegression()).fit(X, Y)
    )
    assert captured.by_value
    assert captured.python_specifier == f"=={sys.version_info.major}.{sys.version_info.minor}.*"
    assert {"cloudpickle", "pandas"} <= {item.name for item in captured.requires}


def test_an_import_inside_a_function_counts() -> None:
    def late(table: Any) -> Any:
        import scipy.stats

        return scipy.stats.zscore(table)

    assert needs(late)["scipy"].startswith("import scipy.stats in ")


def test_an_import_that_cannot_work_here_is_not_needed() -> None:
    def optional(table: Any) -> Any:
        try:
            import no_such_module_anywhere  # type: ignore[import-not-found]
        except ImportError:
            return table
        return no_such_module_anywhere.use(table)

    assert "no-such-module-anywhere" not in needs(optional)


def test_what_the_caller_knows_is_added() -> None:
    found = needs(LogisticRegression().fit(X, Y), pandas="the model is fed pandas frames")
    assert found["pandas"] == "the model is fed pandas frames"
    with pytest.raises(DependencyError, match="no-such-thing is not installed"):
        capture(LogisticRegression(), {"no-such-thing": "a test"})


def test_modelwheel_itself_is_never_listed() -> None:
    from modelwheel_loader.opening.schema import Schema

    assert "modelwheel" not in needs(Schema)


def test_the_range_can_be_given() -> None:
    item = distribution_requirement("numpy", ">=1.26", "arrays")
    assert (item.version, item.specifier, item.reason) == (version("numpy"), ">=1.26", "arrays")
    with pytest.raises(DependencyError):
        distribution_requirement("no-such-thing", ">=1", "a test")


def test_the_file_tells_the_owner_of_a_shared_namespace(folder: Folder) -> None:
    one = folder.module("common.one", "class Model:\n    pass\n")
    folder.module("common.two", "class Model:\n    pass\n")
    folder.install("acme-one", "1.5", ["common/one.py"])
    folder.install("acme-two", "2.5", ["common/two.py"])
    assert needs(one.Model()) == {"acme-one": "common.one.Model in model.pkl"}


def test_a_name_that_differs_from_the_distribution_is_no_matter(folder: Folder) -> None:
    folder.install("Dist.Name", "0.3.1", ["strangely_named.py"])
    module = folder.module("strangely_named", "class Model:\n    pass\n")
    (item,) = capture(module.Model()).requires
    assert (item.name, item.specifier) == ("dist-name", "~=0.3.1")


@pytest.mark.parametrize("layout", ["src", "flat"])
def test_an_editable_installation_owns_its_packages_and_not_the_notebooks_beside_them(
    layout: str, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    root = project / "src" if layout == "src" else project
    (root / "churnlib").mkdir(parents=True)
    (root / "churnlib" / "__init__.py").write_text("class Model:\n    pass\n")
    helper = project / "notebook_helper.py"
    helper.write_text("class Model:\n    pass\n")
    folder.install(
        "churnlib",
        "1.0",
        ["_churnlib.pth"],
        direct_url__json=json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}),
    )
    (folder.path / "_churnlib.pth").write_text(f"# made by a test\n{root}\n")
    for path in (root, project):
        monkeypatch.syspath_prepend(str(path))
    before = set(sys.modules)
    try:
        churnlib, local = importlib.import_module("churnlib"), importlib.import_module("notebook_helper")
        published = Dependencies(add=("churnlib",))  # else no index has it, and it is packed by value
        assert [item.name for item in capture(churnlib.Model(), None, published).requires] == ["churnlib"]
        assert capture(churnlib.Model()).local_modules == ("churnlib",)
        assert capture(local.Model()).local_modules == ("notebook_helper",)
    finally:
        for name in {"churnlib", "notebook_helper"} - before:
            sys.modules.pop(name, None)


def test_an_import_hook_of_an_editable_installation_is_read(folder: Folder, tmp_path: Path) -> None:
    package = tmp_path / "elsewhere" / "hooked"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    folder.module("__editable___hooked_finder", f"MAPPING = {{'hooked': {str(package)!r}}}\n")
    folder.install(
        "hooked",
        "1.0",
        ["__editable___hooked_finder.py", "gone.pth"],
        direct_url__json=json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}}),
    )
    owner = Origins()._owner(str(package / "__init__.py"))
    assert owner is not None
    assert owner.name == "hooked"


def test_origins() -> None:
    origins = Origins()
    numpy, sklearn = origins.distribution("numpy.linalg"), origins.distribution("sklearn.tree._tree")
    assert numpy is not None
    assert sklearn is not None
    assert (numpy.name, sklearn.name) == ("numpy", "scikit-learn")
    assert origins.distribution("no.such.module") is None
    assert not any(map(origins.is_local, ["json", "builtins", "modelwheel.pack", "pandas"]))
    assert all(map(origins.is_local, ["__main__", __name__, "no.such.module"]))


def test_a_module_that_was_made_by_hand_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    assert Origins().is_local("made_by_hand")


# --- local code ---

HELPER = """
import numpy as np
LIMIT = 3
class Scale:
    def __init__(self, by): self.by = by
    def __call__(self, X): return clip(X * self.by)
def clip(X): return min(X, LIMIT)
"""


def test_a_helper_beside_the_notebook_travels_with_the_model(folder: Folder, tmp_path: Path) -> None:
    helper = folder.module("helper", HELPER)
    captured = capture(helper.Scale(2))
    assert captured.local_modules == ("helper",)
    assert all(reference.module != "helper" for reference in references(captured.content.data))
    assert str(tmp_path).encode() not in captured.content.data
    assert run_elsewhere(helper.Scale(2), 1, tmp_path) == "2"
    assert run_elsewhere(helper.Scale(2), 5, tmp_path) == "3"


def test_a_helper_used_as_a_module_travels_too(folder: Folder, tmp_path: Path) -> None:
    helper = folder.module("helper", HELPER)

    def model(value: int) -> Any:
        return helper.Scale(2)(value)

    captured = capture(model)
    assert "helper" in captured.local_modules
    assert str(tmp_path).encode() not in captured.content.data
    assert run_elsewhere(model, 5, tmp_path) == "3"


def test_helpers_that_import_each_other(folder: Folder, tmp_path: Path) -> None:
    folder.module("second", "OFFSET = 4\n")
    first = folder.module("first", "import second\nOFFSET = 1\ndef run(X): return X + OFFSET + second.OFFSET\n")
    sys.modules["second"].first = first  # type: ignore[attr-defined]
    assert run_elsewhere(first.run, 1, tmp_path) == "6"


def test_packing_leaves_no_trace_in_cloudpickle(folder: Folder) -> None:
    import cloudpickle

    helper = folder.module("helper", HELPER)
    capture(helper.Scale(2))
    assert cloudpickle.list_registry_pickle_by_value() == set()
    assert type(helper.Scale(2)) is helper.Scale


def test_threads_pack_at_once(folder: Folder) -> None:
    helper = folder.module("helper", HELPER)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(capture(helper.Scale(2)).content.data)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_an_object_that_pickles_as_a_name_in_a_local_module_is_refused(folder: Folder) -> None:
    source = (
        "class Kind:\n    def __reduce__(self): return 'ONLY'\nONLY = Kind()\nOnly = ONLY\nONLY.__module__ = 'helper'\n"
    )
    helper = folder.module("helper", source)
    with pytest.raises(DependencyError, match=r"helper\.ONLY") as caught:
        capture([helper.ONLY])
    assert [defect.code for defect in caught.value.defects] == ["pack.dependency"]


def test_imports_of_local_modules_inside_functions_are_refused_with_a_list(folder: Folder) -> None:
    folder.module("helper", HELPER)
    folder.module("other", "")

    def model(value: int) -> Any:
        import helper  # type: ignore[import-not-found]
        import other  # type: ignore[import-not-found]

        return helper.clip(value), other

    with pytest.raises(DependencyError) as caught:
        capture(model)
    assert [defect.message.split()[2].rstrip(",") for defect in caught.value.defects] == ["helper", "other"]


def test_relative_imports_of_local_code_are_refused(folder: Folder) -> None:
    folder.module("pack.__init__", "")
    folder.module("pack.inner", "VALUE = 1\n")
    outer = folder.module("pack.outer", "def model(X):\n    from .inner import VALUE\n    return X + VALUE\n")
    with pytest.raises(DependencyError, match=r"pack\.inner"):
        capture(outer.model)


def test_the_main_module_as_a_value_is_refused() -> None:
    main = sys.modules["__main__"]

    def model(value: int) -> Any:
        return main, value

    with pytest.raises(PackError, match="__main__"):
        capture(model)


def test_a_relative_import_with_nowhere_to_start_from_is_refused() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def model(X):\n    from . import inner\n    return inner", names)
    with pytest.raises(DependencyError, match="imports"):
        capture(names["model"])


def test_a_namespace_package_of_one_distribution_is_its(folder: Folder) -> None:
    folder.module("lonely.part", "VALUE = 1\n")
    folder.install("lonely-part", "1.0", ["lonely/part.py"])
    owner = Origins().distribution("lonely")
    assert owner is not None
    assert owner.name == "lonely-part"


def test_what_is_installed_and_not_loaded_is_found(folder: Folder) -> None:
    (folder.path / "sleeping.py").write_text("raise RuntimeError('imported')\n")
    folder.install("sleeper", "1.0", ["sleeping.py"])
    importlib.invalidate_caches()

    def model(value: int) -> Any:
        import sleeping  # type: ignore[import-not-found]

        return sleeping, value

    assert needs(model)["sleeper"].startswith("import sleeping in ")
