"""The wheel that is written: what other tools think of it, and what happens when writing fails."""

from __future__ import annotations

import errno
import io
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from packaging.metadata import Metadata

import modelwheel
from builders import FILE_NAME, tiny
from environments import environment, modelwheel_wheel, run, uv
from models import pack_flights_like
from modelwheel.errors import PackError, WriteError
from modelwheel.wheel.metadata import About, identify, metadata_files
from modelwheel.wheel.save import STALE_SECONDS, save
from modelwheel_loader.show.streams import SUFFIX


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    return pack_flights_like(tmp_path_factory.mktemp("dist"))


def test_twine_finds_nothing(bundle: modelwheel.Bundle) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", bundle.path)


def test_check_wheel_contents_finds_nothing(bundle: modelwheel.Bundle) -> None:
    # W002: equal files, such as the golden answers of two methods; W010: a bundle has no Python module, and must not
    run(Path(sys.executable).with_name("check-wheel-contents"), "--ignore", "W002,W010", bundle.path)


def test_installer_reads_it_and_its_record(bundle: modelwheel.Bundle) -> None:
    from installer.sources import WheelFile

    with WheelFile.open(Path(bundle.path)) as wheel:
        wheel.validate_record(validate_contents=True)
        assert (wheel.distribution, wheel.version) == ("flight_delay", "1.2.0")


def test_zipfile_agrees(bundle: modelwheel.Bundle) -> None:
    with zipfile.ZipFile(bundle.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1].endswith(".dist-info/RECORD")
        assert all(info.date_time == (1980, 1, 1, 0, 0, 0) for info in archive.infolist())
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_metadata_is_valid_and_has_ranges(bundle: modelwheel.Bundle) -> None:
    with zipfile.ZipFile(bundle.path) as archive:
        text = archive.read("flight_delay-1.2.0.dist-info/METADATA")
    parsed = Metadata.from_email(text)
    assert parsed.classifiers == ["Private :: Do Not Upload"]
    assert parsed.provides_extra == ["native", "onnx"]
    requires = sorted(str(item) for item in parsed.requires_dist or ())
    assert any(item.startswith("modelwheel>=") and "extra" not in item for item in requires)
    assert any(item.startswith("scikit-learn~=") and 'extra == "native"' in item for item in requires)
    assert any(item.startswith("onnxruntime>=") and 'extra == "onnx"' in item for item in requires)


@pytest.mark.parametrize("installer", ["pip", "uv", "uv hardlink", "uv symlink"])
def test_installers_install_it_and_it_answers(bundle: modelwheel.Bundle, installer: str, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", modelwheel_wheel(), *(["pip"] if installer == "pip" else []))
    if installer == "pip":
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", bundle.path)
    else:
        mode = ["--link-mode", installer.split()[1]] if " " in installer else []
        run(uv(), "pip", "install", "--quiet", "--no-deps", "--python", python, *mode, bundle.path)
    done = run(python, "-I", "-m", "modelwheel_loader", "verify", "--structure-only", "flight-delay==1.2.0")
    assert "flight-delay 1.2.0: structure OK, no model ran" in done.stdout
    code = "import modelwheel as m; b = m.open('flight-delay'); print(b.kind, b.digest, m.Trust.installed().policy)"
    assert run(python, "-I", "-c", code).stdout.split()[:2] == ["installed", bundle.digest]
    site = next((tmp_path / "venv").glob("lib/*/site-packages"))
    payload = site / "modelwheel_bundles" / "flight_delay" / "native" / "model.pkl"
    data = payload.read_bytes()
    payload.unlink()
    payload.write_bytes(data.replace(b"sklearn", b"sklearm", 1))
    done = run(python, "-I", "-m", "modelwheel_loader", "verify", "flight-delay", check=False)
    assert (done.returncode, "native/model.pkl: differs" in done.stdout) == (1, True)


def test_names_are_normalised_and_all_that_is_wrong_is_told() -> None:
    assert identify("Acme_Churn.Model", "1.0-rc1") == ("acme-churn-model", "1.0rc1")
    assert identify("2024-churn", "1").file_name == "2024_churn-1-py3-none-any.whl"
    with pytest.raises(PackError) as caught:
        identify("über/../churn", "one")
    assert [defect.code for defect in caught.value.defects] == ["pack.name", "pack.version"]
    for name in ("", "-a", "a-", "a b", "a\n", "x" * 65, None):
        with pytest.raises(PackError):
            identify(name, "1")  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["summary", "author", "author_email", "license", "keywords", "urls"])
def test_text_cannot_add_a_header(field: str) -> None:
    evil = "x\nRequires-Dist: evil"
    values: dict[str, Any] = {"keywords": (evil,), "urls": {"home": evil}}
    with pytest.raises(PackError) as caught:
        metadata_files(identify("a", "1"), About(**{field: values.get(field, evil)}), base=[], extras={}, generator="x")
    assert {defect.code for defect in caught.value.defects} == {"pack.about"}


def test_description_is_the_body() -> None:
    about = About(
        summary="S", description="# Title\n\nName: evil\n\x1b[2J", license="MIT", urls={"home": "https://x.example"}
    )
    files = metadata_files(identify("a", "1"), about, base=["modelwheel"], extras={"onnx": []}, generator="x")
    message = message_from_bytes(files["METADATA"])
    assert message.get_all("Name") == ["a"]
    assert message["License-Expression"] == "MIT"
    assert "\x1b" not in message.get_payload()


# -- saving -------------------------------------------------------------------------------------------------------


def write(data: bytes) -> Any:
    return lambda stream: stream.write(data)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_equal_bytes_are_success_and_others_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.whl"
    save(target, write(b"one"))
    save(target, write(b"one"))
    with pytest.raises(WriteError) as caught:
        save(target, write(b"two"))
    assert (caught.value.code, caught.value.errno) == ("write.exists", errno.EEXIST)
    assert target.read_bytes() == b"one"
    save(target, write(b"two"), overwrite=True)
    assert (target.read_bytes(), leftovers(target.parent)) == (b"two", ["a.whl"])


class Failing:
    """A stream whose disk is full after some bytes."""

    def __init__(self, stream: BinaryIO, space: int) -> None:
        self.stream, self.space = stream, space

    def write(self, data: bytes) -> None:
        if self.stream.tell() + len(data) > self.space:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.stream.write(data)


@pytest.mark.parametrize("space", range(0, 100, 7))
def test_full_disk_at_any_byte_leaves_nothing(space: int, tmp_path: Path) -> None:
    def into(stream: BinaryIO) -> None:
        failing = Failing(stream, space)
        for _ in range(100):
            failing.write(b"x")

    with pytest.raises(WriteError) as caught:
        save(tmp_path / "dist" / "a.whl", into)
    assert caught.value.errno == errno.ENOSPC
    assert leftovers(tmp_path) == []


def test_interrupt_leaves_nothing_and_passes_through(tmp_path: Path) -> None:
    def into(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.whl", into)
    assert leftovers(tmp_path) == []


def test_failing_check_leaves_nothing_and_the_old_file(tmp_path: Path) -> None:
    save(tmp_path / "a.whl", write(b"old"))

    def refuse(path: Path) -> None:
        assert path.read_bytes() == b"new"
        raise PackError("no")

    with pytest.raises(PackError):
        save(tmp_path / "a.whl", write(b"new"), check=refuse, overwrite=True)
    assert (leftovers(tmp_path), (tmp_path / "a.whl").read_bytes()) == (["a.whl"], b"old")


def test_file_size_limit_is_a_typed_error(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WriteError) as caught:
            save(tmp_path / "a.whl", write(b"x" * 5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert leftovers(tmp_path) == []


def test_mapped_file_keeps_its_bytes_when_it_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.whl"
    save(target, write(b"old" * 5000))
    with target.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        save(target, write(b"n"), overwrite=True)
        assert mapped[:3] == b"old"
        assert mapped[-3:] == b"old"


def test_leftovers_of_the_killed_are_cleaned_when_they_are_old(tmp_path: Path) -> None:
    old, new = tmp_path / f".a.whl.1{SUFFIX}", tmp_path / f".a.whl.2{SUFFIX}"
    old.touch()
    new.touch()
    os.utime(old, (0, time.time() - STALE_SECONDS - 10))
    save(tmp_path / "a.whl", write(b"x"))
    assert leftovers(tmp_path) == [new.name, "a.whl"]


WRITER = """
import sys, random
from pathlib import Path
from modelwheel.wheel.save import save
target, content, rounds = Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
def into(stream):
    for _ in range(200):
        stream.write(content * 1000)
print("writing", flush=True)
for _ in range(rounds):
    save(target, into, overwrite=True)
"""


def test_readers_see_whole_files_while_two_writers_write(tmp_path: Path) -> None:
    target = tmp_path / "a.whl"
    save(target, lambda stream: stream.write(b"a" * 200_000))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, target, letter, "40"]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = target.read_bytes()
        assert len(data) == 200_000
        assert len(set(data)) == 1
        seen.add(data[:1])
    assert all(writer.returncode == 0 for writer in writers)
    assert leftovers(tmp_path) == ["a.whl"]
    assert seen


def test_killed_writers_leave_the_target_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.whl"
    save(target, lambda stream: stream.write(b"a" * 200_000))
    for delay in (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.1):
        command = [sys.executable, "-c", WRITER, str(target), "b", "100000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            time.sleep(delay)
            writer.kill()
        data = target.read_bytes()
        assert (len(data), len(set(data))) == (200_000, 1)
        assert all(name == "a.whl" or name.endswith(SUFFIX) for name in leftovers(tmp_path))


RACE = """
import sys
from pathlib import Path
from modelwheel.wheel.save import save
from modelwheel.errors import WriteError
target, me = Path(sys.argv[1]), sys.argv[2].encode()
sys.stdin.readline()
try:
    save(target, lambda stream: stream.write(me * 10_000))
    print("won")
except WriteError as error:
    print(error.code)
"""


def test_exactly_one_of_several_writers_wins(tmp_path: Path) -> None:
    for number in range(3):
        target = tmp_path / f"{number}.whl"
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACE, target, str(me)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for me in range(6)
        ]
        answers = [racer.communicate("go\n")[0].strip() for racer in racers]
        assert sorted(answers) == ["won", *["write.exists"] * 5][::-1] or sorted(answers) == sorted(
            ["won", *["write.exists"] * 5]
        )
        assert set(target.read_text()) == {str(answers.index("won"))}


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(tmp_path / "a.whl", write(b"x"))
    finally:
        os.umask(before)
    assert (tmp_path / "a.whl").stat().st_mode & 0o777 == 0o640


def test_data_is_synced_before_the_name_and_the_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def watched_fsync(descriptor: int) -> None:
        events.append("sync folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "sync file")
        fsync(descriptor)

    def watched_link(source: Any, target: Any) -> None:
        events.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    save(tmp_path / "a.whl", write(b"x"))
    assert events == ["sync file", "link", "sync folder"]


def test_source_date_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dates = []
    for value in ("1700000000", "0", "99999999999", "yesterday"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
        dates.append(zipfile.ZipFile(io.BytesIO(tiny(tmp_path).read_bytes())).infolist()[0].date_time[:3])
        assert modelwheel.verify(tmp_path / FILE_NAME, structure_only=True).ok
    assert dates == [(2023, 11, 14), (1980, 1, 1), (2107, 12, 31), (1980, 1, 1)]


@pytest.mark.slow
def test_members_beyond_4_gib(tmp_path: Path) -> None:
    """ZIP64 where a number needs it; read by us and by zipfile."""
    from modelwheel.wheel.writer import WheelWriter
    from modelwheel_loader.limits import DEFAULT
    from modelwheel_loader.opening.archive import read_members
    from modelwheel_loader.opening.places import read_at

    path, block = tmp_path / "big", bytes(1 << 26)
    with path.open("wb+") as stream:
        writer = WheelWriter(stream)
        writer.add("modelwheel_bundles/big/weights.bin", [block] * 65)
        writer.add("modelwheel_bundles/big/after", [b"after"])
        writer.finish()
    with path.open("rb") as stream:
        size = path.stat().st_size
        members = read_members(lambda offset, length: read_at(stream.fileno(), offset, length), size, DEFAULT)
        after = members["modelwheel_bundles/big/after"]
        assert members["modelwheel_bundles/big/weights.bin"].size == 65 << 26
        assert read_at(stream.fileno(), after.offset, after.size) == b"after"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("modelwheel_bundles/big/after") == b"after"
