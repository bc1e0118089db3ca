"""What a reference means: paths, and names of what is installed in all the ways that `sys.path` can look."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from builders import FILE_NAME, INFO, ROOT, files, install, tiny
from environments import environment, run, uv
from modelwheel.errors import InvalidBundle, ResolutionError, UsageError
from modelwheel_loader.opening.names import Requirement, parse_requirement
from modelwheel_loader.opening.resolve import Distribution, find_installed, installed_bundles, is_path

Entries = list[Any]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return tiny(tmp_path)


@pytest.fixture
def site(tmp_path: Path, wheel: Path) -> Path:
    """A site-packages with the tiny bundle."""
    install(wheel, tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(*entries: Any) -> None:
        monkeypatch.setattr(sys, "path", [*entries, *sys.path])

    return put


def ordinary(site: Path, name: str = "tiny", version: str = "9.0") -> Path:
    """An ordinary package of that name."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


# --- paths ---


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("a.whl", True),
        ("./a", True),
        ("a/b", True),
        ("/", True),
        ("a", False),
        ("a==1", False),
        (".", False),
        ("", False),
    ],
)
def test_paths_end_in_whl_or_hold_a_separator(reference: str, *, path: bool) -> None:
    assert is_path(reference) is path


@pytest.mark.parametrize("reference", [None, 1, b"a.whl", ["a"], object()])
def test_a_reference_is_a_text_or_a_path(reference: object) -> None:
    with pytest.raises(UsageError, match="path or a requirement"):
        modelwheel.open(reference)  # type: ignore[arg-type]


class Bytes:
    """A PathLike of bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


def test_one_file_in_every_spelling(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(wheel)
    shutil.copy(os.fsencode(wheel), os.fsencode(tmp_path) + b"/\xff\xfe.whl")
    spellings: Entries = [wheel, str(wheel), FILE_NAME, f"./{FILE_NAME}", Path(FILE_NAME), "./link", Bytes(wheel)]
    spellings.append(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.whl"))
    digests = set()
    for spelling in spellings:
        with modelwheel.open(spelling) as bundle:
            digests.add(bundle.digest)
            assert repr(bundle).isascii()
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("missing.whl", "resolve.missing"),
        ("./missing/", "resolve.missing"),
        (f"{FILE_NAME}/inside.whl", "resolve.missing"),
        ("loop.whl", "resolve.unreadable"),
        ("a\0b.whl", "resolve.unreadable"),
        ("x" * 300 + ".whl", "resolve.unreadable"),
        ("pipe.whl", "resolve.not-a-file"),
        ("/dev/null", "resolve.not-a-file"),
        ("\udcff.whl", "resolve.missing"),
        ("\u202e.whl", "resolve.missing"),
    ],
)
def test_paths_that_cannot_be_opened(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.whl").symlink_to("loop.whl")
    os.mkfifo(tmp_path / "pipe.whl")
    with pytest.raises(ResolutionError) as caught:
        modelwheel.open(path)
    assert caught.value.code == code
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    str(caught.value).encode()


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle):
        modelwheel.open(tmp_path)


# --- names ---


def test_the_first_on_the_path_wins(wheel: Path, site: Path, tmp_path: Path) -> None:
    second = install(wheel, tmp_path / "second")
    path: Entries = [str(tmp_path / "missing"), str(tmp_path / "second"), str(site), str(tmp_path / "second")]
    assert find_installed(Requirement(name="tiny"), path) == str(second)
    assert list(installed_bundles(path)) == [Distribution(name="tiny", version="1.0", dist_info=str(second))]


def test_open_by_name(site: Path, on_path: Callable[..., None]) -> None:
    on_path(str(site))
    for reference in ("tiny", "Tiny", "TINY==1.0", "tiny>=1,<2", "tiny==1.0.0"):
        bundle = modelwheel.open(reference)
        assert (bundle.kind, bundle.path) == ("installed", site / INFO.rstrip("/"))


def test_entries_that_imports_skip_are_skipped(site: Path, tmp_path: Path, wheel: Path) -> None:
    zipped = tmp_path / "site.zip"
    with zipfile.ZipFile(zipped, "w") as made:
        for name, data in files().items():
            made.writestr(name, data)
    odd: Entries = [str(zipped), None, 3, b"bytes", Path(site), "a\0b", str(wheel), "/dev/null", "x" * 5000]
    with pytest.raises(ResolutionError, match="no other bundle either"):
        find_installed(Requirement(name="tiny"), odd)
    assert find_installed(Requirement(name="tiny"), [*odd, str(site)]).startswith(str(site))


def test_a_folder_that_may_not_be_listed_is_skipped(site: Path, tmp_path: Path) -> None:
    """As a user without rights, in a process of its own."""
    code = """
import os, sys
from modelwheel_loader.opening.names import Requirement
from modelwheel_loader.opening.resolve import find_installed
closed, site = sys.argv[1:]
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    os.listdir(closed)
except PermissionError:
    print(find_installed(Requirement(name="tiny"), [closed, site]))
"""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    done = run(sys.executable, "-c", code, closed, site)
    assert done.stdout.strip() == str(site / INFO.rstrip("/"))


def test_the_empty_entry_is_the_current_folder(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    found = find_installed(Requirement(name="tiny"), [""])
    assert Path(found).resolve() == site / INFO.rstrip("/")


def test_an_ordinary_package_of_that_name_shadows_the_bundle(site: Path, tmp_path: Path) -> None:
    ordinary(tmp_path / "first")
    path: Entries = [str(tmp_path / "first"), str(site)]
    with pytest.raises(ResolutionError, match=r"tiny 9\.0 is installed, but it is not a model bundle") as caught:
        find_installed(Requirement(name="tiny"), path)
    assert caught.value.code == "resolve.not-a-bundle"
    assert list(installed_bundles(path)) == []


def test_what_interrupted_installations_leave_is_passed_over(site: Path, tmp_path: Path) -> None:
    for name in ("tiny-0.9", "~iny-1.0", "-1.0", "tiny", ".tiny-1.1"):
        (site / f"{name}.dist-info").mkdir()
    (site / "tiny-0.8.dist-info").write_text("a file")
    assert find_installed(Requirement(name="tiny"), [str(site)]) == str(site / INFO.rstrip("/"))


def test_several_versions_in_several_folders(site: Path, tmp_path: Path) -> None:
    """An older one that comes first is the one that is used: a requirement that it does not meet is refused."""
    ordinary(tmp_path / "first", version="0.5")
    (tmp_path / "first" / ROOT).mkdir(parents=True)
    path: Entries = [str(tmp_path / "first"), str(site)]
    with pytest.raises(ResolutionError) as caught:
        find_installed(parse_requirement("tiny>=1"), path)
    assert caught.value.code == "resolve.version"
    assert (caught.value.defects[0].found, caught.value.defects[0].expected) == ("0.5", ">=1")
    assert caught.value.hint == 'pip install "tiny>=1"'


def test_a_folder_named_with_no_version(tmp_path: Path) -> None:
    ordinary(tmp_path, version="banana\u202e")
    (tmp_path / ROOT).mkdir(parents=True)
    with pytest.raises(ResolutionError, match="banana") as caught:
        find_installed(parse_requirement("tiny>=1"), [str(tmp_path)])
    assert "\u202e" not in str(caught.value)


def test_nothing_of_that_name(site: Path, on_path: Callable[..., None]) -> None:
    on_path(str(site))
    with pytest.raises(ResolutionError, match="installed bundles are tiny") as caught:
        modelwheel.open("tny==2")
    assert caught.value.hint == "did you mean 'tiny'?"
    with pytest.raises(ResolutionError) as caught:
        modelwheel.open("fraud==2")
    assert caught.value.hint == 'pip install "fraud==2"'
    with pytest.raises(ResolutionError) as caught:
        modelwheel.open("fraud.tar.gz")
    assert "./NAME" in caught.value.hint


def test_case_of_folders_is_that_of_the_installer(tmp_path: Path) -> None:
    """Older installers keep the case of the wheel's name."""
    folder = ordinary(tmp_path, name="Tiny_Model")
    (tmp_path / "modelwheel_bundles" / "Tiny_Model").mkdir(parents=True)
    assert find_installed(Requirement(name="tiny-model"), [str(tmp_path)]) == str(folder)


# --- what real installers make ---


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for name, version in (("alpha", "1.0"), ("alpha", "1.1"), ("beta", "1.0")):
        pack_line(folder, name, version)
    return folder


def pack_line(folder: Path, name: str, version: str) -> None:
    import numpy as np
    from sklearn.linear_model import LinearRegression

    data = np.random.default_rng(0).normal(size=(20, 2))
    modelwheel.pack(
        LinearRegression().fit(data, data[:, 0]),
        name=name,
        version=version,
        sample=data,
        out=folder,
        options=modelwheel.Options(runtimes=("native",)),
    )


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Callable[..., None]:
    python = environment(tmp_path_factory.mktemp("env") / "venv", "pip")

    def install_into(target: Path, *requirements: str) -> None:
        offline = ("--no-deps", "--no-index", "--find-links", wheels)
        run(python, "-m", "pip", "install", "--quiet", *offline, "--target", target, *requirements)

    return install_into


def test_pip_target_one_call(pip: Callable[..., None], tmp_path: Path) -> None:
    pip(tmp_path / "t", "alpha==1.0", "beta==1.0")
    assert [item.name for item in installed_bundles([str(tmp_path / "t")])] == ["alpha", "beta"]


def test_pip_target_twice_leaves_half_a_bundle(
    pip: Callable[..., None], tmp_path: Path, on_path: Callable[..., None]
) -> None:
    on_path(str(tmp_path / "t"))
    pip(tmp_path / "t", "alpha==1.0")
    pip(tmp_path / "t", "beta==1.0")
    with pytest.raises(ResolutionError, match=r"the files of beta 1\.0 were not installed") as caught:
        modelwheel.open("beta")
    assert caught.value.code == "resolve.incomplete"
    assert "pip install --target" in str(caught.value)
    assert modelwheel.open("alpha").version == "1.0"
    pip(tmp_path / "t", "alpha==1.1")
    with pytest.raises(ResolutionError, match=r"alpha is installed 2 times in one folder: 1\.0, 1\.1") as caught:
        modelwheel.open("alpha==1.1")
    assert caught.value.code == "resolve.twice"


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_uv_by_every_link_mode(wheels: Path, tmp_path: Path, on_path: Callable[..., None], mode: str) -> None:
    target = tmp_path / "t"
    offline = ("--no-deps", "--no-index", "--find-links", wheels, "--cache-dir", tmp_path / "cache")
    for requirement in ("alpha==1.0", "beta==1.0", "alpha==1.1"):
        run(uv(), "pip", "install", "--quiet", *offline, "--link-mode", mode, "--target", target, requirement)
    on_path(str(target))
    assert (modelwheel.open("alpha").version, modelwheel.open("beta").version) == ("1.1", "1.0")
    for name in ("alpha", "beta"):
        assert modelwheel.verify(name).ok
        assert modelwheel.load(name).predict([[1.0, 2.0]]).shape == (1,)


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_the_path_of_an_installed_bundle_means_that_bundle(wheel: Path, tmp_path: Path, end: str) -> None:
    site = tmp_path / "site"
    info = install(wheel, site)
    (info / "REQUESTED").touch()
    (info / "direct_url.json").write_text("{}")
    (site / "other.py").touch()
    ordinary(site, name="other")
    bundle = modelwheel.open(f"{info}{end}")
    assert (bundle.kind, bundle.path) == ("installed", info)
    assert modelwheel.open(bundle.path).digest == bundle.digest
    with pytest.raises(modelwheel.errors.TrustError, match=r"not on sys\.path"):
        bundle.load()


def test_a_pipe_among_the_metadata_is_not_waited_for(tmp_path: Path, on_path: Callable[..., None]) -> None:
    """`open` of a pipe that nobody writes into would never come back."""
    folder = tmp_path / "line-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").touch()
    os.mkfifo(folder / "entry_points.txt")
    on_path(str(tmp_path))
    with pytest.raises(ResolutionError) as caught:
        modelwheel.open("line")
    assert caught.value.code == "resolve.not-a-bundle"
