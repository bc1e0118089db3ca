"""Files that change while they are read, and files that change and look the same."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, archive, files
from modelwheel.errors import IntegrityError
from modelwheel_loader.opening.integrity import Checker
from modelwheel_loader.opening.places import Identity, Place
from modelwheel_loader.opening.record import sha256_of


def test_trust_in_a_file_is_trust_in_the_manifest_that_was_read(tmp_path: Path) -> None:
    """Opened with one manifest, then overwritten by the trusted file: its digest says nothing of what was read."""
    trusted, evil = archive(files(summary="good")), archive(files(summary="evil"))
    assert len(trusted) == len(evil)
    path = tmp_path / FILE_NAME
    path.write_bytes(evil)
    trust = modelwheel.Trust.digests(sha256_of(trusted))
    with modelwheel.open(path) as bundle:
        with path.open("r+b") as file:
            file.write(trusted)
        with pytest.raises(IntegrityError, match="changed while the bundle was open"):
            bundle.load(trust=trust)
    with modelwheel.open(path) as bundle:
        assert bundle._place.file_digest() in trust.allowed


@pytest.mark.parametrize(("age", "compared"), [(0.001, True), (-60.0, True), (60.0, False)])
def test_a_file_that_was_just_written_is_not_remembered(
    age: float, compared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one step of the clock, a file that was compared can be changed once more and keep its times."""
    path, good = tmp_path / FILE_NAME, archive(files())
    path.write_bytes(good)
    changed = path.stat().st_ctime_ns
    real = Place.map

    def map_(place: Place, name: str) -> tuple[memoryview, Identity]:
        view, identity = real(place, name)
        return view, identity.replace(mtime=changed, ctime=changed)  # as if the clock had not moved

    monkeypatch.setattr(Place, "map", map_)
    monkeypatch.setattr("time.time_ns", lambda: changed + int(age * 1e9))
    read(path, tmp_path / "cache")
    with path.open("r+b") as file:
        file.write(good.replace(b"tiny!", b"tiny?"))
    with pytest.raises(IntegrityError) if compared else contextlib.nullcontext():
        read(path, tmp_path / "cache")


def read(path: Path, cache: Path) -> None:
    """Map the pickle of the tiny bundle, as large data are."""
    with modelwheel.open(path) as bundle:
        digest = bundle.manifest.members["native/model.pkl"]
        checker = Checker(bundle._place, "first", cache)
        checker.mapped(f"{bundle._place.root}native/model.pkl", sha256=digest.sha256, size=digest.size)
