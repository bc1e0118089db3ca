"""Finding, opening and trusting bundles where installers put them, and where they only seem to be installed."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import installer
import installer.destinations
import installer.sources
import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from modelwheel.errors import InvalidBundle, ModelwheelError, ResolutionError, TrustError, UsageError
from modelwheel_loader.opening.resolve import installed_bundles

X = [[0.0], [1.0], [2.0], [3.0]]
MODEL = LinearRegression().fit(X, [0.0, 2.0, 4.0, 6.0])


def pack(out: Path, name: str = "acme-line", version: str = "1.2.0") -> Path:
    return Path(modelwheel.pack(MODEL, name=name, version=version, sample=X, out=out).path)


def install(wheel: Path, site: Path, *, by: bytes = b"installer") -> None:
    """What pip does with a wheel, by the reference library, into `site`."""
    paths = dict.fromkeys(("purelib", "platlib", "headers", "scripts", "data"), str(site))
    destination = installer.destinations.SchemeDictionaryDestination(
        paths, interpreter=sys.executable, script_kind="posix"
    )
    with installer.sources.WheelFile.open(wheel) as source:
        installer.install(source, destination, {"INSTALLER": by} if by else {})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    yield folder
    for path in tmp_path.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)


def code(reference: object) -> str:
    with pytest.raises(ModelwheelError) as caught:
        modelwheel.open(reference)  # type: ignore[arg-type]
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("reference", ["acme-line", "acme_line", "ACME.Line", "acme-line==1.2", "acme-line>=1,<2"])
def test_an_installed_bundle_is_found_by_name_and_range(wheel: Path, site: Path, reference: str) -> None:
    install(wheel, site)
    with modelwheel.open(reference) as bundle:
        assert (bundle.kind, bundle.version, bundle.name) == ("installed", "1.2.0", "acme-line")
        assert bundle.path == site / "acme_line-1.2.0.dist-info"
        assert bundle.digest == modelwheel.open(wheel).digest
        assert bundle.verify().ok


def test_an_installed_bundle_is_trusted_because_it_was_installed(wheel: Path, site: Path) -> None:
    install(wheel, site)
    with modelwheel.load("acme-line==1.2.0", runtime="native") as model:
        assert model.predict([[5.0]]).tolist() == pytest.approx([10.0])


def test_the_first_on_the_path_wins(wheel: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(wheel, site)
    first = tmp_path / "first"
    install(pack(tmp_path / "dist", version="2.0"), first)
    monkeypatch.syspath_prepend(first)
    assert modelwheel.open("acme-line").version == "2.0"
    assert code("acme-line==1.2.0") == "resolve.version"
    assert [(item.name, item.version) for item in installed_bundles()] == [("acme-line", "2.0")]


def test_what_is_not_installed_says_what_is(wheel: Path, site: Path) -> None:
    assert code("acme-line") == "resolve.not-installed"
    install(wheel, site)
    with pytest.raises(ResolutionError, match="did you mean 'acme-line'") as caught:
        modelwheel.open("acme-lime")
    assert "acme-line" in str(caught.value)
    assert code("acme-line<1") == "resolve.version"
    assert code("pytest") == "resolve.not-a-bundle"


@pytest.mark.parametrize("reference", [3, None, b"acme-line", ["acme-line"]])
def test_a_reference_is_a_path_or_a_text(reference: object) -> None:
    with pytest.raises(UsageError):
        modelwheel.open(reference)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["./nothing.whl", "no/such/folder", "a\0b.whl", "x" * 5000 + ".whl", "\ud800.whl"])
def test_paths_that_lead_nowhere(text: str) -> None:
    assert code(text) in ("resolve.missing", "resolve.unreadable")


def test_things_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.whl")
    assert code(tmp_path / "pipe.whl") == "resolve.not-a-file"
    assert code(Path("/dev/null")) == "resolve.not-a-file"
    (tmp_path / "folder.whl").mkdir()
    assert code(tmp_path / "folder.whl") == "archive.layout"


def test_odd_entries_of_the_path_are_passed_over(
    wheel: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(wheel, site)
    (site / "nameless.dist-info").mkdir()
    (site / "-1.0.dist-info").mkdir()
    (tmp_path / "a-file").write_text("")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("x.py", "")
    for entry in ("a-file", "archive.zip", "not-there", ""):
        monkeypatch.syspath_prepend(str(tmp_path / entry) if entry else "")
    assert modelwheel.open("acme-line").version == "1.2.0"


def test_the_current_directory_on_the_path_is_found_but_not_trusted(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(wheel, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with modelwheel.open("acme-line") as bundle, pytest.raises(TrustError, match="current directory"):
        bundle.load(runtime="native")


def test_without_an_installer_nobody_has_installed_it(wheel: Path, site: Path) -> None:
    install(wheel, site, by=b"")
    with pytest.raises(TrustError, match="INSTALLER"):
        modelwheel.load("acme-line", runtime="native")
    assert modelwheel.load("acme-line", runtime="native", trust=modelwheel.Trust.unsafe_run_code()).runtime == "native"


def test_trust_in_installations_is_none_in_files(wheel: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = modelwheel.Trust.installed()
    with pytest.raises(TrustError, match="is a wheel, not an installed one"):
        modelwheel.load(wheel, trust=trust, runtime="native")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site / "unpacked")
    with pytest.raises(TrustError, match="is a folder, not an installed one"):
        modelwheel.load(site / "unpacked", trust=trust, runtime="native")
    install(wheel, site)
    bundle = modelwheel.open("acme-line")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)] + ["/not/there"])
    with pytest.raises(TrustError, match=r"is not on sys\.path"):
        bundle.load(runtime="native")


def test_digests_are_those_of_the_content_or_of_the_file(wheel: Path) -> None:
    import hashlib

    whole = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with modelwheel.open(wheel) as bundle:
        for digest in (bundle.digest, whole.upper(), f"sha256:{whole}"):
            assert bundle.load(trust=modelwheel.Trust.digests("0" * 64, digest), runtime="native").runtime == "native"
        with pytest.raises(TrustError, match="not among the trusted"):
            bundle.load(trust=modelwheel.Trust.digests("0" * 64), runtime="native")


@pytest.mark.parametrize("trust", [True, False, "unsafe_run_code", 1, ["sha256:0"]])
def test_trust_is_a_policy(wheel: Path, trust: object) -> None:
    with pytest.raises(UsageError) as caught:
        modelwheel.load(wheel, trust=trust)  # type: ignore[arg-type]
    assert "Trust.digests" in str(caught.value)


@pytest.mark.parametrize("digests", [(), ("",), ("sha256:12",), ("g" * 64,), (3,), ("0" * 64, "x")])
def test_digests_that_are_none(digests: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        modelwheel.Trust.digests(*digests)
    assert caught.value.code == "usage.trust"


# -- folders -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(wheel: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_an_unpacked_folder_opens_and_verifies(folder: Path) -> None:
    with modelwheel.open(folder) as bundle:
        assert bundle.kind == "folder"
        assert bundle.verify(trust=modelwheel.Trust.unsafe_run_code()).ok
    assert modelwheel.open(f"{folder}/").name == "acme-line"


def test_a_link_in_a_folder_is_refused(folder: Path) -> None:
    target = next(folder.rglob("model.pkl"))
    target.rename(folder.parent / "outside.pkl")
    target.symlink_to(folder.parent / "outside.pkl")
    assert code(folder) == "archive.form"


def test_a_link_instead_of_the_file_is_not_followed_after_opening(folder: Path) -> None:
    bundle = modelwheel.open(folder)
    target = next(folder.rglob("model.pkl"))
    target.rename(folder.parent / "outside.pkl")
    target.symlink_to(folder.parent / "outside.pkl")
    with pytest.raises(ModelwheelError):
        bundle.load(trust=modelwheel.Trust.unsafe_run_code(), runtime="native")


@pytest.mark.parametrize("name", ["modelwheel_bundles/acme_line/evil.py", "top.txt", "modelwheel_bundles/other/x.bin"])
def test_a_file_too_many_in_a_folder(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("print('here')")
    assert code(folder).startswith("archive.")


def test_a_file_too_few_in_a_folder(folder: Path) -> None:
    next(folder.rglob("model.pkl")).unlink()
    assert code(folder) == "archive.record"


def test_folders_without_bottom_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x" / "/".join("d" * 30)).mkdir(parents=True)
    assert code(tmp_path / "x") == "archive.name"


def test_folders_with_too_many_files_are_refused(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}").write_text("")
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(tmp_path, limits=modelwheel.Limits(members=4))
    assert caught.value.code == "archive.limit"


def test_a_folder_that_disappears(folder: Path) -> None:
    bundle = modelwheel.open(folder)
    shutil.rmtree(folder)
    with pytest.raises(ResolutionError):
        bundle.load()


def test_a_closed_bundle_says_so(wheel: Path) -> None:
    bundle = modelwheel.open(wheel)
    bundle.close()
    bundle.close()
    with pytest.raises(ResolutionError) as caught:
        bundle.load()
    assert caught.value.code == "usage.closed"


def test_a_wheel_under_the_name_of_another_is_refused(wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "acme_line-9.9-py3-none-any.whl"
    shutil.copy(wheel, other)
    assert code(other) == "archive.layout"
    shutil.copy(wheel, tmp_path / "download.tmp")
    assert modelwheel.open(tmp_path / "download.tmp").version == "1.2.0"
