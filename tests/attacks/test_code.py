"""A pickle that runs code: only a trusted load runs it, and not before its bytes were compared (rows 1, 2)."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, INFO, ROOT, archive, files, manifest, with_record
from modelwheel.errors import IntegrityError, ResolutionError, TrustError, UsageError
from modelwheel_loader.opening.manifest import Digest
from modelwheel_loader.opening.strictjson import dump_json


class Evil:
    """Its pickle makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


@pytest.fixture
def evil(tmp_path: Path, mark: Path) -> Path:
    import hashlib

    data = pickle.dumps(Evil(str(mark)), 5)
    digest = Digest(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    members = {
        f"{ROOT}native/model.pkl": data,
        f"{ROOT}manifest.json": dump_json(manifest({"native/model.pkl": digest})),
    }
    members |= {name: value for name, value in files().items() if name.startswith(INFO)}
    path = tmp_path / FILE_NAME
    path.write_bytes(archive(with_record(members)))
    return path


WATCH = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event in (
    "pickle.find_class", "os.system", "subprocess.Popen", "socket.connect", "os.mkdir", "os.exec", "os.fork"
) else None)
import modelwheel
from modelwheel_loader.show.commandline import main
from modelwheel_loader.show.inspection import describe
path = sys.argv[1]
bundle = modelwheel.open(path)
list(describe(bundle, verbose=True))
bundle.explain(); bundle.verify(); modelwheel.verify(path); repr(bundle)
for trust in (None, modelwheel.Trust.data_only(), modelwheel.Trust.installed(), modelwheel.Trust.digests("0" * 64)):
    for runtime in ("auto", "native"):
        try:
            bundle.load(trust=trust, runtime=runtime)
        except modelwheel.errors.TrustError:
            pass
        else:
            raise SystemExit("it was loaded")
main(["inspect", path]); main(["verify", path]); main(["predict", path])
assert not [e for e in seen if e[0] == "pickle.find_class" or e[0] == "os.mkdir" and "it-ran" in str(e[1])], seen
assert "it-ran" in str(bundle.explain()) or "mkdir" in str(bundle.explain())
"""


@pytest.mark.parametrize("flags", [(), ("-OO",)], ids=["plain", "optimised"])
def test_nothing_runs_it_without_trust(evil: Path, mark: Path, flags: tuple[str, ...]) -> None:
    """Also where Python leaves assertions out; then the checks of the script are those below."""
    environment = {**os.environ, "MODELWHEEL_TRUST": "1", "TRUST": "unsafe_run_code"}
    done = subprocess.run(
        [sys.executable, *flags, "-c", WATCH, evil],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("trust", [True, False, 1, "unsafe_run_code", "sha256:" + "0" * 64, object()])
def test_trust_is_no_boolean_and_no_text(evil: Path, mark: Path, trust: object) -> None:
    with pytest.raises(UsageError, match=r"Trust\.digests"):
        modelwheel.load(evil, trust=trust)  # type: ignore[arg-type]
    assert not mark.exists()


def test_trust_by_digest_names_exactly_one_bundle(evil: Path, mark: Path) -> None:
    digest = modelwheel.open(evil).digest
    with pytest.raises(TrustError):
        modelwheel.load(evil, trust=modelwheel.Trust.digests(digest[:-1] + ("0" if digest[-1] != "0" else "1")))
    assert not mark.exists()
    with pytest.raises(modelwheel.errors.ModelwheelError):
        modelwheel.load(evil, trust=modelwheel.Trust.digests(digest)).predict([[1.0]])
    assert mark.exists()


def test_tampered_pickle_is_refused_before_it_runs(evil: Path, mark: Path) -> None:
    """Changed bytes with a good CRC and a good archive: only the digests tell."""
    data = evil.read_bytes()
    position = data.index(b"it-ran")
    evil.write_bytes(data[:position] + b"it-RAN" + data[position + 6 :])
    with pytest.raises(IntegrityError):
        modelwheel.load(evil, trust=modelwheel.Trust.unsafe_run_code())
    assert not mark.exists()
    assert not mark.with_name("it-RAN").exists()


def test_file_swapped_after_opening_is_not_looked_at(evil: Path, mark: Path, tmp_path: Path) -> None:
    """One descriptor: what was opened is what is loaded, whatever lies at the path now."""
    from builders import tiny

    other = tmp_path / "other"
    other.mkdir()
    harmless = tiny(other)
    opened = modelwheel.open(harmless)
    evil.replace(harmless)
    with pytest.raises(modelwheel.errors.ModelwheelError):
        opened.load(trust=modelwheel.Trust.unsafe_run_code()).predict([[1.0]])
    assert not mark.exists()


PATHS = ("folder", "pipe", "device", "link to itself", "missing", "no rights", "NUL", "empty")


@pytest.mark.parametrize("kind", PATHS)
def test_paths_that_are_no_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "no rights":
        path = path / "below" / "y.whl"
    elif kind == "NUL":
        path = tmp_path / "a\0b.whl"
    elif kind == "empty":
        path.touch()
    with pytest.raises((ResolutionError, modelwheel.errors.InvalidBundle)):
        modelwheel.open(path)
