"""The writer at its edges: names, words and paths that people give, large members, file systems that refuse."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.metadata import Metadata

import modelwheel
from builders import tiny
from modelwheel.errors import PackError, WriteError
from modelwheel.wheel import save as save_module
from modelwheel.wheel import writer as writer_module
from modelwheel.wheel.metadata import About, check_about, identify, metadata_files
from modelwheel.wheel.save import save
from modelwheel.wheel.writer import WheelWriter, write_wheel
from modelwheel_loader.show.streams import SUFFIX

IDENTITY = identify("acme-churn", "1.2.0")


def metadata(about: About, **changes: Any) -> Metadata:
    """METADATA as `packaging` reads it, which refuses what an index would refuse."""
    given: dict[str, Any] = {"base": ["modelwheel>=0.1"], "extras": {"onnx": [], "native": []}} | changes
    return Metadata.from_email(metadata_files(IDENTITY, about, generator="x", **given)["METADATA"])


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["con", "NUL", "COM1", "lpt9", "modelwheel", "Model.Wheel" * 7])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(PackError) as caught:
        identify(name, "1")
    assert caught.value.code == "pack.name"


@pytest.mark.parametrize("version", ["1" * 5000, "1." + "0" * 80, "\ud800", "٣", "", "1.0.0-x-y", None, 1])
def test_versions_that_cannot_be(version: Any) -> None:
    with pytest.raises(PackError) as caught:
        identify("a", version)
    assert caught.value.code == "pack.version"


@pytest.mark.parametrize(
    ("version", "normal"), [("1!2.0", "1!2.0"), ("1.0+ABC-1", "1.0+abc.1"), ("v1.0-1", "1.0.post1"), (" 1 ", "1")]
)
def test_every_kind_of_version_is_read_back(version: str, normal: str, tmp_path: Path) -> None:
    bundle = modelwheel.pack(
        lambda rows: rows[:, 0], name="a", version=version, sample=np.arange(6.0).reshape(3, 2), out=tmp_path
    )
    assert (bundle.version, Path(bundle.path).name) == (normal, f"a-{normal}-py3-none-any.whl")


def test_name_and_version_together_make_no_long_path() -> None:
    identify("a" * 64, "1.2.3")
    with pytest.raises(PackError) as caught:
        identify("a" * 64, "1." + "1" * 40)
    assert caught.value.code == "pack.version"


def test_a_bundle_never_takes_the_name_of_what_it_needs() -> None:
    for extras in ({"native": ["Acme.Churn~=1.0"]}, {"native": ["acme_churn"]}):
        with pytest.raises(PackError) as caught:
            metadata(About(), extras=extras)
        assert (caught.value.code, caught.value.hint) == ("pack.name", "name it such as 'acme-churn-model'")
    metadata(About(), extras={"native": ["acme-churn-features>=1"]})


def test_paths_in_a_bundle_are_short() -> None:
    given: dict[str, Any] = {"root": IDENTITY.root, "dist_info": IDENTITY.dist_info, "metadata": {}}
    with pytest.raises(PackError) as caught:
        write_wheel(io.BytesIO(), payload={"examples/" + "m" * 100: [b""]}, manifest=lambda _: b"", **given)
    assert caught.value.code == "pack.name"


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("summary", None),
        ("summary", "\ud800"),
        ("summary", "x" * 513),
        ("summary", "a\x85b"),
        ("author", 5),
        ("author_email", b"a@example.org"),
        ("license", "my own"),
        ("license", "(" * 3000),
        ("license", None),
        ("keywords", "churn"),
        ("keywords", 5),
        ("keywords", ("a,b",)),
        ("keywords", (1,)),
        ("urls", [("home", "https://example.org")]),
        ("urls", {"home": None}),
        ("urls", {"home, sweet": "https://example.org"}),
        ("urls", {"home": "https://example.org\r\nName: evil"}),
        ("description", "\udfff"),
        ("description", 5),
        ("description", "é" * 300_000),
        ("public", "yes"),
    ],
)
def test_words_that_cannot_be_written_are_named(field: str, value: Any) -> None:
    with pytest.raises(PackError) as caught:
        check_about(About(**{field: value}))
    assert [(defect.code, defect.field) for defect in caught.value.defects] == [("pack.about", field)]


def test_all_words_that_are_wrong_are_named_at_once_and_before_the_model_is_asked(tmp_path: Path) -> None:
    asked: list[Any] = []
    with pytest.raises(PackError) as caught:
        modelwheel.pack(
            asked.append,
            name="a",
            version="1",
            sample=np.zeros((3, 2)),
            about=About(summary="a\nb", license="none", description=5, keywords=("a\0",)),  # type: ignore[arg-type]
            out=tmp_path / "dist",
        )
    assert {defect.field for defect in caught.value.defects} == {"summary", "license", "description", "keywords"}
    assert (asked, list(tmp_path.iterdir())) == ([], [])


def test_all_words_come_back_as_they_were_said() -> None:
    code = "# Naïve\n\n```make\nall:\n\tpack\n```\n\n👩\u200d💻 نمی\u200cدانم | tab\there"
    about = About(
        summary="Predicts — ‘churn’",
        description=code,
        author="Zoë, Ltd.",
        author_email="Zoë <zoe@example.org>",
        license="mit or apache-2.0",
        keywords=("churn", "two words"),
        urls={"Source Code": "https://example.org/a,b?c=d"},
        public=True,
    )
    parsed = metadata(about)
    assert (parsed.summary, parsed.author, parsed.author_email) == (about.summary, about.author, about.author_email)
    assert parsed.description is not None
    assert parsed.description.strip() == code
    assert (parsed.license_expression, parsed.keywords) == ("MIT OR Apache-2.0", ["churn", "two words"])
    assert parsed.project_urls == {"Source Code": "https://example.org/a,b?c=d"}
    assert not parsed.classifiers


def test_the_description_cannot_move_a_terminal_or_turn_the_writing() -> None:
    parsed = metadata(About(description="a\x1b[2J\x07\u202eb\r\nc\rd"))
    assert parsed.description is not None
    assert parsed.description.strip() == "a\\x1b[2J\\x07\\u202eb\nc\nd"


# -- bytes --------------------------------------------------------------------------------------------------------


def test_members_in_many_pieces_are_summed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_PIECE", 1000)
    monkeypatch.setattr(writer_module, "_SYNC", 5000)
    array = np.random.default_rng(0).random((50, 40))
    pieces: list[bytes | memoryview] = [b"head", array.data, np.empty((0, 3)).data, b"", bytes(60)]
    content = b"head" + array.tobytes() + bytes(60)
    told: list[tuple[str, int, int]] = []
    for stream in (io.BytesIO(), (tmp_path / "a.zip").open("wb+")):
        with stream:
            writer = WheelWriter(stream, lambda *step: told.append(step), total=len(content))
            digest = writer.add("a", pieces)
            writer.add("empty", [])
            writer.finish()
            assert (digest.size, digest.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                assert archive.read("a") == content
                assert (archive.getinfo("a").CRC, archive.read("empty")) == (zlib.crc32(content), b"")
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told[: len(told) // 2]) * 2
    assert told[-1] == ("writing", len(content), len(content))


class Breaking(io.BytesIO):
    """A stream that breaks after some writes."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.writes = error, 0

    def write(self, data: Any) -> int:
        self.writes += 1
        if self.writes > 3:
            raise self.error
        return super().write(data)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
def test_no_thread_goes_on_after_a_failure(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_PIECE", 1 << 16)
    before = threading.active_count()
    with pytest.raises(type(error)):
        WheelWriter(Breaking(error)).add("a", [bytes(1 << 24)])
    assert threading.active_count() == before


def test_sums_are_abandoned_when_nobody_waits() -> None:
    abandoned = threading.Event()
    abandoned.set()
    parts = [memoryview(b"abc")]
    assert writer_module._crc32(parts, abandoned) == 0
    assert writer_module._sha256(parts, abandoned) == hashlib.sha256().hexdigest()


def test_bytes_depend_on_nothing_around(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from builders import tiny; print(tiny(Path(sys.argv[1])))"
    found = set()
    for number, (seed, zone, mask) in enumerate([("0", "UTC", 0o022), ("7", "Asia/Kathmandu", 0o077)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
        command = [sys.executable, "-c", code, str(folder)]
        subprocess.run(command, check=True, env=environment, umask=mask, cwd=folder, capture_output=True)
        (wheel,) = folder.iterdir()
        found.add(wheel.read_bytes())
    assert found == {tiny(tmp_path).read_bytes()}


# -- places -------------------------------------------------------------------------------------------------------


def one(stream: Any) -> None:
    stream.write(b"one")


def refused(target: Path, number: int, **options: Any) -> WriteError:
    """The error of saving to `target`, which leaves everything as it was."""
    base = target
    while not base.is_dir():
        base = base.parent
    before = sorted(base.rglob("*"))
    with pytest.raises(WriteError) as caught:
        save(target, one, **options)
    assert caught.value.errno == number
    assert sorted(base.rglob("*")) == before
    return caught.value


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    refused(tmp_path / "new" / "deep" / ("x" * 300) / "a.whl", errno.ENAMETOOLONG)
    refused(tmp_path / "new" / ("x" * 300), errno.ENAMETOOLONG)
    refused(tmp_path / "a\0b" / "a.whl", errno.EINVAL)
    refused(tmp_path / "\ud800" / "a.whl", errno.EINVAL)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "file/below", "dangling"):
        assert refused(tmp_path / name / "a.whl", errno.ENOTDIR).code == "write.failed"
    with pytest.raises(WriteError):
        save(tmp_path / "loop" / "a.whl", one)


def test_names_as_long_as_can_be_are_saved(tmp_path: Path) -> None:
    save(tmp_path / ("x" * 255), one)
    assert len(list(tmp_path.iterdir())) == 1


def test_whatever_has_the_name_is_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "a.whl"
    target.mkdir()
    assert refused(target, errno.EEXIST).code == "write.exists"
    refused(target, errno.EISDIR, overwrite=True)
    target.rmdir()
    target.symlink_to("nowhere")
    assert refused(target, errno.EEXIST).code == "write.exists"
    target.unlink()
    os.mkfifo(target)  # reading it would wait for ever
    assert refused(target, errno.EEXIST).code == "write.exists"


def test_overwriting_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    other, target = tmp_path / "other", tmp_path / "a.whl"
    other.write_bytes(b"other")
    target.symlink_to(other)
    save(target, one, overwrite=True)
    assert (target.is_symlink(), target.read_bytes(), other.read_bytes()) == (False, b"one", b"other")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_file_systems_without_links(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "a.whl"
    save(target, one)
    save(target, one)
    with pytest.raises(WriteError) as caught:
        save(target, lambda stream: stream.write(b"two"))
    assert (caught.value.code, target.read_bytes()) == ("write.exists", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["a.whl"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_links_that_are_refused_are_typed(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    assert refused(tmp_path / "new" / "a.whl", number).code == "write.failed"


def _sync_fails(monkeypatch: pytest.MonkeyPatch, number: int, *, folders: bool) -> None:
    sync = os.fsync

    def fail(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir() == folders:
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)


def test_a_file_that_cannot_be_synced_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _sync_fails(monkeypatch, errno.EIO, folders=False)
    refused(tmp_path / "new" / "a.whl", errno.EIO)


def test_a_folder_that_cannot_be_synced_is_told_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sync_fails(monkeypatch, errno.EINVAL, folders=True)
    save(tmp_path / "a.whl", one)
    _sync_fails(monkeypatch, errno.EIO, folders=True)
    with pytest.raises(WriteError) as caught:
        save(tmp_path / "new" / "b.whl", one)
    assert (caught.value.errno, (tmp_path / "new" / "b.whl").read_bytes()) == (errno.EIO, b"one")


def test_a_folder_that_may_not_be_read_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def guarded(path: Any, *rest: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", guarded)
    save(tmp_path / "a.whl", one)
    assert (tmp_path / "a.whl").read_bytes() == b"one"


def test_new_folders_are_synced_into_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(save_module, "_sync_folder", synced.append)
    save(tmp_path / "a" / "b" / "c.whl", one)
    assert synced == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


def test_a_folder_that_somebody_else_makes_meanwhile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def late(self: Path, *rest: Any, **options: Any) -> None:
        mkdir(self)
        mkdir(self, *rest, **options)

    monkeypatch.setattr(Path, "mkdir", late)
    save(tmp_path / "new" / "a.whl", one)
    with pytest.raises(PackError):
        save(tmp_path / "other" / "a.whl", one, check=_refuse)
    assert (tmp_path / "other").is_dir()  # not ours to remove


def _refuse(_: Path) -> None:
    raise PackError("no")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[bool]:
    """A small file system in `folder`; false where this process may not mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    def much(stream: Any) -> None:
        for _ in range(64):
            stream.write(bytes(1 << 16))

    with mounted(tmp_path / "small", "size=1m") as mount:
        # without the right to mount, /dev/full is the full disk; no folder can be made beside it
        if mount:
            with pytest.raises(WriteError) as caught:
                save(tmp_path / "small" / "new" / "a.whl", much)
            assert caught.value.errno == errno.ENOSPC
        assert list((tmp_path / "small").iterdir()) == []
    with pytest.raises(OSError) as full, Path("/dev/full").open("wb") as stream:
        much(stream)
    assert full.value.errno == errno.ENOSPC


def test_a_disk_that_is_really_read_only(tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "ro") as mount:
        if mount:
            error = refused(tmp_path / "fixed" / "new" / "a.whl", errno.EROFS)
            assert error.code == "write.failed"
    assert not list(tmp_path.rglob(f"*{SUFFIX}"))
