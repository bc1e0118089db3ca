from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from modelwheel_loader.opening.manifest import Requirement
from modelwheel_loader.run import environment
from modelwheel_loader.run.environment import check, fits_python, python_version, specifier_for, versions


def install(folder: Path, name: str, number: str, *, metadata: bool = True) -> Path:
    info = folder / f"{name}-{number}.dist-info"
    info.mkdir(parents=True)
    if metadata:
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    return info


def requirement(name: str, packed: str, specifier: str | None = None) -> Requirement:
    return Requirement(
        name=name, version=packed, specifier=specifier or specifier_for(name, packed), reason="a.B in model.pkl"
    )


def test_versions_are_read_from_the_names_of_folders(tmp_path: Path) -> None:
    install(tmp_path, "scikit_learn", "1.9.1")
    install(tmp_path, "torch", "2.5.1+cu118")
    install(tmp_path, "jaraco.text", "4.0.0")
    found = versions(["scikit-learn", "torch", "Jaraco-Text", "absent"], [str(tmp_path)])
    assert found == {"scikit-learn": "1.9.1", "torch": "2.5.1+cu118", "jaraco-text": "4.0.0"}


def test_the_first_folder_on_the_path_counts(tmp_path: Path) -> None:
    install(tmp_path / "first", "a", "1.0")
    install(tmp_path / "second", "a", "2.0")
    install(tmp_path / "second", "b", "3.0")
    paths = [str(tmp_path / name) for name in ("absent", "first", "second")]
    assert versions(["a", "b"], paths) == {"a": "1.0", "b": "3.0"}


def test_what_a_crashed_installation_left_is_not_installed(tmp_path: Path) -> None:
    install(tmp_path, "a", "1.0", metadata=False)
    install(tmp_path, "~a", "1.0")
    assert versions(["a"], [str(tmp_path)]) == {}


def test_a_file_or_an_unreadable_name_on_the_path_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"no zip")
    install(tmp_path / "here", "a", "1.0")
    assert versions(["a"], [str(tmp_path / "archive.zip"), str(tmp_path / "here")]) == {"a": "1.0"}


def test_the_current_folder_is_searched_where_the_path_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "a", "1.0")
    monkeypatch.chdir(tmp_path)
    assert versions(["a"], [""]) == {"a": "1.0"}


def test_an_egg_info_is_found_by_importlib(tmp_path: Path) -> None:
    info = tmp_path / "legacy-0.4.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: legacy\nVersion: 0.4\n")
    assert versions(["legacy"], [str(tmp_path)]) == {"legacy": "0.4"}


def test_the_scan_agrees_with_importlib_for_what_is_installed_here() -> None:
    names = ["numpy", "scikit-learn", "pandas", "cloudpickle", "scipy"]
    assert versions(names) == {name: version(name) for name in names}


def test_an_environment_that_fits_has_no_defects(tmp_path: Path) -> None:
    install(tmp_path, "scikit_learn", "1.9.2")
    install(tmp_path, "pandas", "3.4.0rc1")
    needs = [requirement("scikit-learn", "1.9.1"), requirement("pandas", "3.0.1")]
    assert check(">=3.11", needs, path=[str(tmp_path)]) == []
    assert check(None, needs, path=[str(tmp_path)]) == []


def test_all_defects_come_at_once_each_with_the_command(tmp_path: Path) -> None:
    install(tmp_path, "scikit_learn", "1.10.0")
    needs = [requirement("scikit-learn", "1.9.1"), requirement("pandas", "3.0.1")]
    found = check("==3.2.*", needs, bundle="churn", path=[str(tmp_path)])
    assert [defect.code for defect in found] == ["environment.python", "environment.version", "environment.missing"]
    command = 'pip install "scikit-learn~=1.9.1" "pandas~=3.0", or pip install "churn[native]"'
    assert {defect.advice for defect in found[1:]} == {command}
    assert found[1].found == "1.10.0"
    assert "packed with 1.9.1" in found[1].expected
    assert "a.B in model.pkl" in found[1].message
    assert "~=3.0" in found[2].expected


@pytest.mark.parametrize(
    ("here", "needed"), [("xgboost_cpu", "xgboost"), ("xgboost", "xgboost-cpu"), ("onnxruntime_gpu", "onnxruntime")]
)
def test_another_build_of_the_same_module_will_do(here: str, needed: str, tmp_path: Path) -> None:
    install(tmp_path, here, "3.2.1")
    assert check(None, [requirement(needed, "3.2.0", "~=3.2")], path=[str(tmp_path)]) == []
    (defect,) = check(None, [requirement(needed, "3.3.0", "~=3.3")], path=[str(tmp_path)])
    assert (defect.code, defect.found) == ("environment.version", "3.2.1")
    (defect,) = check(None, [requirement(needed, "3.2.0", "~=3.2")], path=[str(tmp_path / "empty")])
    assert defect.code == "environment.missing"


def test_without_a_bundle_the_command_names_the_packages_only(tmp_path: Path) -> None:
    (defect,) = check(None, [requirement("pandas", "3.0.1")], path=[str(tmp_path)])
    assert defect.advice == 'pip install "pandas~=3.0"'


@pytest.mark.parametrize("name", ['x"; rm -rf ~; "', "x$(id)", "x`id`", "x y", "x\nid"])
def test_text_of_a_bundle_never_becomes_a_command(name: str, tmp_path: Path) -> None:
    (defect,) = check(None, [requirement(name, "1.0", "~=1.0")], path=[str(tmp_path)])
    assert "rm" not in defect.advice
    assert "id)" not in defect.advice
    assert "pip install" not in defect.advice
    (defect,) = check(None, [requirement("plain", "1.0")], bundle=name, path=[str(tmp_path)])
    assert defect.advice == 'pip install "plain~=1.0"'


def test_a_frozen_application_is_told_how_to_bring_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    (defect,) = check(None, [requirement("absent-package", "1.0")], bundle="churn")
    assert defect.advice == "build the application with the metadata of its packages: --copy-metadata=absent-package"


@given(st.sampled_from(["", "1.0", "1.0.dev", "weird", "2!1"]), st.sampled_from(["~=1.0", "", "<", "===weird", ">=1,"]))
def test_no_version_or_range_ends_the_check(installed: str, specifier: str) -> None:
    item = Requirement(name="a", version="0", specifier=specifier, reason="")
    assert environment._fits(installed, item) in (True, False)


def test_this_interpreter() -> None:
    assert Version(python_version()) == Version(platform.python_version())
    assert fits_python(f"=={sys.version_info.major}.{sys.version_info.minor}.*")
    assert fits_python(">=3.11")
    assert fits_python(">=3.8,<4")
    assert not fits_python("==2.7.*")
    assert not fits_python("nonsense")


def test_a_pre_release_of_python_is_written_as_pep_440_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Info:
        major, minor, micro, releaselevel, serial = 3, 15, 0, "candidate", 2

    monkeypatch.setattr(sys, "version_info", Info())
    assert python_version() == "3.15.0rc2"


def test_an_environment_that_fits_exactly_imports_neither_packaging_nor_importlib_metadata() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from modelwheel_loader.run.environment import check\n"
        "from modelwheel_loader.opening.manifest import Requirement\n"
        f"needs = [Requirement(name='scikit-learn', version={version('scikit-learn')!r}, specifier='~=0')]\n"
        "assert check('>=3.11', needs) == []\n"
        "print(sorted({n.partition('.')[0] for n in set(sys.modules) - before} & {'packaging', 'email'}),"
        " 'importlib.metadata' in sys.modules)"
    )
    source = Path(environment.__file__).parents[2]
    site = sysconfig.get_paths()["purelib"]
    setup = f"import sys; sys.path[:0] = [{str(source)!r}, {site!r}]\n"
    # -S: an editable install's hook may import what this test forbids
    done = subprocess.run([sys.executable, "-S", "-c", setup + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
