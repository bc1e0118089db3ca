"""What the author says of dependencies, and source that travels: read, checked, and over what was found."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelwheel
from environments import ROOT
from modelwheel import Dependencies, Options
from modelwheel.capturing.capture import Captured, capture
from modelwheel.capturing.sources import read_code
from modelwheel_loader.errors import (
    DependencyError,
    EnvironmentMismatch,
    InvalidBundle,
    ModelwheelError,
    PackError,
    UsageError,
)

X = np.arange(12.0).reshape(4, 3)
TRUST = modelwheel.Trust.unsafe_run_code()


def row_sum(rows: Any) -> Any:
    return np.asarray(rows).sum(axis=1)


def captured(model: object = row_sum, **settings: Any) -> Captured:
    return capture(model, None, Dependencies(**settings))


def needs(**settings: Any) -> dict[str, tuple[str, str, str]]:
    return {item.name: (item.version, item.specifier, item.reason) for item in captured(**settings).requires}


# --- add, drop, replace ---


def test_the_author_adds() -> None:
    found = needs(add=("scipy", "Pandas>=2.0"))
    assert found["scipy"] == (version("scipy"), f"~={'.'.join(version('scipy').split('.')[:2])}", "added by the author")
    assert found["pandas"] == (version("pandas"), ">=2.0", "added by the author")


EXTRAS = """Metadata-Version: 2.1
Name: acme-tools
Version: 1.5
Provides-Extra: fast
Provides-Extra: gone
Requires-Dist: numpy
Requires-Dist: scipy>=1; extra == "fast"
Requires-Dist: pywin32; extra == "fast" and sys_platform == "never"
Requires-Dist: not-here-at-all; extra == "gone"
"""


def test_an_extra_adds_what_it_brings_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_tools-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(EXTRAS)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = needs(add=("acme-tools[fast]",))
    assert {name: reason for name, (_, _, reason) in found.items() if name not in ("numpy", "cloudpickle")} == {
        "acme-tools": "added by the author",
        "scipy": "acme-tools[fast]",
    }
    with pytest.raises(DependencyError, match=r"not-here-at-all, of acme-tools\[gone\], is not installed"):
        needs(add=("acme-tools[gone]",))


def test_the_author_drops_and_replaces() -> None:
    assert "numpy" not in needs(drop=("NumPy",))
    found = needs(replace={"numpy": "numpy>=1.26"})
    assert found["numpy"][:2] == (version("numpy"), ">=1.26")
    assert "numpy" in found["numpy"][2]
    found = needs(replace={"numpy": "acme-numpy>=1"})
    assert found["acme-numpy"] == ("", ">=1", "in place of numpy")
    assert "numpy" not in found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"add": ("no such",)}, "is no requirement"),
        ({"add": ("a @ https://index.example/a.whl",)}, "an address or a marker"),
        ({"add": ("numpy ; python_version > '3'",)}, "an address or a marker"),
        ({"add": ("not-here-at-all",)}, "is to be added and is not installed"),
        ({"add": ("numpy<1",)}, "not in the range that was given"),
        ({"add": ("numpy[fast]",)}, r"numpy has no extra fast"),
        ({"drop": ("nunpy",)}, "nunpy is not among what the model needs .*did you mean 'numpy'"),
        ({"replace": {"scipy": "scipy"}}, "scipy is not among what the model needs"),
    ],
)
def test_words_that_cannot_be_followed_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DependencyError, match=r"(?s)" + message) as caught:
        captured(**settings)
    assert {defect.code for defect in caught.value.defects} == {"pack.dependency"}


def test_one_text_is_no_list_of_them() -> None:
    for name in ("add", "drop", "code", "find_links"):
        with pytest.raises(UsageError, match=f"{name} cannot be one text"):
            captured(**{name: "scipy"})


# --- a distribution that no index has ---


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution `acme-features` that was installed from a folder, with the module `acme_features`."""
    site = tmp_path / "site"
    info = site / "acme_features-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-features\nVersion: 1.5\n")
    (info / "RECORD").write_text("acme_features.py,,\n")
    (info / "direct_url.json").write_text(json.dumps({"url": tmp_path.as_uri(), "dir_info": {}}))
    (site / "acme_features.py").write_text(
        "import numpy as np\nclass Total:\n    def __call__(self, rows):\n        return np.asarray(rows).sum(axis=1)\n"
        "class Only:\n    def __reduce__(self):\n        return 'ONLY'\nONLY = Only()\nONLY.__module__ = __name__\n"
    )
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_features", None)


def test_what_was_installed_from_a_folder_is_packed_by_value(project: Path) -> None:
    made = captured(importlib.import_module("acme_features").Total())
    assert {item.name for item in made.requires} == {"cloudpickle", "numpy"}
    assert made.local_modules == ("acme_features",)


def test_unless_the_author_says_that_an_index_has_it(project: Path) -> None:
    made = captured(importlib.import_module("acme_features").Total(), add=("acme-features",))
    assert [(item.name, item.version) for item in made.requires] == [("acme-features", "1.5")]
    assert not made.by_value


def test_conda_installs_from_folders_too(project: Path) -> None:
    (project / "acme_features-1.5.dist-info" / "INSTALLER").write_text("conda\n")
    made = captured(importlib.import_module("acme_features").Total())
    assert [item.name for item in made.requires] == ["acme-features"]


def test_what_cannot_go_by_value_says_where_it_sits_and_what_helps(project: Path) -> None:
    module = importlib.import_module("acme_features")
    model = module.Total()
    model.steps = [("scale", {"with": module.ONLY})]
    with pytest.raises(DependencyError) as caught:
        captured(model)
    (defect,) = caught.value.defects
    assert defect.where == "model.steps[0][1]['with']"
    assert "acme-features provides, and that was installed here from a folder" in defect.message
    assert defect.hint == 'If an index has acme-features, say so: Dependencies(add=("acme-features",)).'


# --- source that travels ---

CLIP = """
import numpy as np
from .. import LIMIT
from ..below import half

class Clip:
    def __call__(self, rows):
        from acme.below import half as again
        return np.minimum(half(again(np.asarray(rows)[:, 0])), LIMIT)
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the author: `acme`, with a folder that has no `__init__.py` in it."""
    folder = tmp_path / "work" / "acme"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("LIMIT = 3\n")
    (folder / "below.py").write_text("# -*- coding: latin-1 -*-\n# \xe9\ndef half(x):\n    return x / 2\n", "latin-1")
    (folder / "deep" / "clip.py").write_text(CLIP)
    (folder / "deep" / "data-file.py").write_text("this is no module")
    monkeypatch.syspath_prepend(str(folder.parent))
    forget("acme")  # other tests have packages of that name
    yield folder
    forget("acme")


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def model_of(folder: Path) -> Any:
    return importlib.import_module("acme.deep.clip").Clip()


def test_source_is_read_and_its_imports_with_it(acme: Path) -> None:
    sources = read_code([acme])
    assert list(sources.modules) == ["acme", "acme.below", "acme.deep", "acme.deep.clip"]
    assert sources.tops == ("acme",)
    assert sources.modules["acme.deep"].text == ""
    assert "\xe9" in sources.modules["acme.below"].text
    assert sources.imports["numpy"] == "acme/deep/clip.py"
    made = captured(model_of(acme), code=(acme,))
    assert [(item.name, item.reason) for item in made.requires] == [("numpy", "import numpy in acme/deep/clip.py")]
    assert not made.by_value
    assert made.python_specifier == f">={sys.version_info.major}.{sys.version_info.minor}"


def packed(acme: Path, tmp_path: Path) -> Path:
    bundle = modelwheel.pack(
        model_of(acme),
        name="clip",
        version="1",
        sample=X,
        out=tmp_path / "dist",
        dependencies=Dependencies(code=(acme,)),
        options=Options(overwrite=True),
    )
    assert bundle.manifest.to_dict()["runtimes"][0]["code"] == {"member": "native/code.json", "modules": ["acme"]}
    return Path(bundle.path)


ELSEWHERE = """
import sys
import modelwheel
bundle = modelwheel.open(sys.argv[1])
bundle.verify(), bundle.explain()
assert "acme" not in sys.modules and not any(type(f).__name__ == "_Finder" for f in sys.meta_path)
model = bundle.load(trust=modelwheel.Trust.unsafe_run_code())
assert model.check().ok
again = bundle.load(trust=modelwheel.Trust.unsafe_run_code())
assert again.check().ok
import acme.deep.clip, traceback
try:
    acme.deep.clip.Clip()(None)
except Exception:
    assert "clip/acme.deep.clip" in traceback.format_exc(), traceback.format_exc()
    assert "return np.minimum" in traceback.format_exc(), traceback.format_exc()
else:
    raise AssertionError
"""


def test_it_is_importable_where_the_model_is_loaded_and_only_then(acme: Path, tmp_path: Path) -> None:
    path = packed(acme, tmp_path)
    assert not [name for name in modelwheel.open(path).manifest.members if name.endswith(".py")]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_same_source_here_is_used_and_another_is_not_shadowed(acme: Path, tmp_path: Path) -> None:
    path = packed(acme, tmp_path)
    with modelwheel.load(path, trust=TRUST) as model:
        assert model.check().ok
    (acme / "below.py").write_text("def half(x):\n    return x / 3\n")
    with pytest.raises(EnvironmentMismatch, match="acme of the bundle differs from the one") as caught:
        modelwheel.load(path, trust=TRUST, runtime="native")
    assert caught.value.code == "native.code"
    (acme / "below.py").unlink()
    with pytest.raises(EnvironmentMismatch):
        modelwheel.load(path, trust=TRUST, runtime="native")


def test_two_bundles_with_different_source_of_one_name(acme: Path, tmp_path: Path) -> None:
    first = packed(acme, tmp_path / "first")
    (acme / "__init__.py").write_text("LIMIT = 4\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]
    second = packed(acme, tmp_path / "second")
    code = (
        "import sys, modelwheel; t = modelwheel.Trust.unsafe_run_code()\n"
        "modelwheel.load(sys.argv[1], trust=t); modelwheel.load(sys.argv[1], trust=t)\n"
        "try: modelwheel.load(sys.argv[2], trust=t)\n"
        "except modelwheel.errors.EnvironmentMismatch as error: print(error.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, first, second], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "native.code"


def test_a_folder_without_init_is_a_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plainfolder"
    folder.mkdir()
    (folder / "total.py").write_text("class Total:\n    def __call__(self, rows):\n        return rows[:, 0]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = importlib.import_module("plainfolder.total").Total()
    settings = Dependencies(code=(folder,))
    bundle = modelwheel.pack(model, name="plain", version="1", sample=X, out=tmp_path / "dist", dependencies=settings)
    code = "import sys, modelwheel as m; print(m.load(sys.argv[1], trust=m.Trust.unsafe_run_code()).check().ok)"
    done = subprocess.run([sys.executable, "-c", code, str(bundle.path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_a_module_that_was_made_by_hand_is_not_shadowed(acme: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path = packed(acme, tmp_path)
    monkeypatch.setitem(sys.modules, "acme", types.ModuleType("acme"))
    with pytest.raises(EnvironmentMismatch, match="acme of the bundle differs from the one"):
        modelwheel.load(path, trust=TRUST, runtime="native")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"modules": {"a b": {"source": "", "package": False}}}, "dotted name"),
        ({"modules": {"json": {"source": "", "package": False}}}, "of Python or of modelwheel"),
        ({"modules": {"modelwheel_loader.x": {"source": "", "package": False}}}, "of Python or of modelwheel"),
        ({"modules": {"a.b": {"source": "", "package": False}}}, "must be in a package"),
        ({"modules": {"a": {"source": "", "package": False}, "a.b": {"source": "", "package": False}}}, "must be in"),
        ({"modules": {"a": {"source": 1, "package": "no"}}}, "must be a text"),
        ({"modules": {"b": {"source": "", "package": False}}}, "among the modules that the manifest names"),
        ({}, "is missing"),
    ],
)
def test_code_that_is_not_in_the_form_is_refused(document: object, message: str) -> None:
    from modelwheel_loader.run.bundled_code import read_sources

    with pytest.raises(InvalidBundle, match=message):
        read_sources(json.dumps(document).encode(), ("a", "a b", "json", "modelwheel_loader"))


def refused(*paths: Path) -> list[str]:
    with pytest.raises(PackError) as caught:
        read_code(paths)
    assert {defect.code for defect in caught.value.defects} == {"pack.code"}
    return [str(defect) for defect in caught.value.defects]


def test_paths_that_hold_no_module_are_refused_with_the_reason(acme: Path, tmp_path: Path) -> None:
    assert "neither a Python file nor a folder" in refused(tmp_path / "gone.py")[0]
    (tmp_path / "not-a-name.py").write_text("")
    (tmp_path / "json.py").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.py").write_text("def")
    assert "no name by which" in refused(tmp_path / "not-a-name.py")[0]
    assert "no name by which" in refused(tmp_path / "json.py")[0]
    assert "holds no Python file" in refused(tmp_path / "empty")[0]
    assert "cannot be read as Python" in refused(tmp_path / "broken.py")[0]
    assert "is a part of the package acme: name that one" in refused(acme / "deep")[0]
    (acme / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (acme / f"fast{suffix}").write_bytes(b"")
    assert any("compiled" in line for line in refused(acme))


def test_another_module_of_that_name_than_the_imported_one_is_refused(acme: Path, tmp_path: Path) -> None:
    model_of(acme)
    (tmp_path / "acme.py").write_text("LIMIT = 5\n")
    assert "is not the acme that this process has imported" in refused(tmp_path / "acme.py")[0]


def test_source_that_needs_more_local_code_is_refused(acme: Path, tmp_path: Path) -> None:
    (acme.parent / "helper.py").write_text("")
    (acme / "below.py").write_text(
        "import helper, acme.gone\nfrom . import deep\nfrom ...far import x\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import nothing_at_all\nimport no_such_module_here\ndef half(x): return x\n"
    )
    importlib.invalidate_caches()
    with pytest.raises(DependencyError) as caught:
        captured(code=(acme,))
    assert [(defect.where, defect.message.split(",")[0]) for defect in caught.value.defects] == [
        ("acme/below.py", "acme/below.py imports helper"),
        ("acme/below.py", "acme/below.py imports ...far"),
    ]


def test_notes_tell_what_went_by_value(acme: Path, tmp_path: Path) -> None:
    (acme / "deep" / "clip.py").write_text(
        CLIP.replace("        from acme.below import half as again\n", "").replace("again(", "(")
    )
    bundle = modelwheel.pack(model_of(acme), name="clip", version="1", sample=X, out=tmp_path / "dist")
    assert "local code, packed by value, which only Python" in str(bundle.report)
    assert issubclass(DependencyError, ModelwheelError)
