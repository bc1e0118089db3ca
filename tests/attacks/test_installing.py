"""What a bundle tells installers, shells and interpreters: nothing of it may bring or run what the bundle is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, INFO, ROOT, archive, files, metadata, record, with_record
from modelwheel.airgap.targets import Target, select
from modelwheel.errors import BundleError, InvalidBundle, ModelwheelError
from modelwheel_loader.opening.manifest import Digest
from modelwheel_loader.run.requirements import read_lock

HEAD = metadata()["METADATA"].decode().partition("\n\n")[0]
METADATA = {
    "another requirement": f"{HEAD}\nRequires-Dist: evil\n\n",
    "requirement by address": f"{HEAD}\nRequires-Dist: modelwheel @ https://evil.example/modelwheel.whl\n\n",
    "requirement by address in an extra": f'{HEAD}\nRequires-Dist: x @ file:///tmp/x.whl; extra == "native"\n\n',
    "requirement in no extra": f'{HEAD}\nRequires-Dist: evil; python_version > "3"\n\n',
    "requirement in more than an extra": f'{HEAD}\nRequires-Dist: evil; extra == "native" or os_name == "posix"\n\n',
    "requirement with an option": f"{HEAD}\nRequires-Dist: modelwheel --index-url=evil\n\n",
    "requirement on its own name": f'{HEAD}\nRequires-Dist: Tiny>1; extra == "native"\n\n',
    "requirement without a name": f'{HEAD}\nRequires-Dist: >=1; extra == "native"\n\n',
    "requirement in a continued line": f"{HEAD}\nRequires-Dist:\n evil\n\n",
    "name that is continued": HEAD.replace("Name: tiny", "Name: tiny\n evil") + "\n\n",
    "line end of old": f"{HEAD}\nSummary: a\rRequires-Dist: evil\n\n",
    "blank before the colon": HEAD.replace("Name:", "Name :") + "\n\n",
    "no header": f"{HEAD}\nevil\n\n",
    "mail box": f"From nobody\n{HEAD}\n\n",
    "byte order mark": f"\ufeff{HEAD}\n\n",
    "no metadata version": HEAD.partition("\n")[2] + "\n\n",
    "two metadata versions": f"Metadata-Version: 1.0\n{HEAD}\n\n",
    "third extra": f"{HEAD}\nProvides-Extra: evil\n\n",
    "many requirements": HEAD + "\nRequires-Dist: e" * 50_000 + "\n\n",
}


def bundle(folder: Path, members: dict[str, bytes], name: str = FILE_NAME) -> Path:
    path = folder / name
    path.write_bytes(archive(members))
    return path


@pytest.mark.parametrize("attack", METADATA)
def test_installers_are_told_of_modelwheel_and_the_two_extras_alone(attack: str, tmp_path: Path) -> None:
    path = bundle(tmp_path, with_record(files() | {f"{INFO}METADATA": METADATA[attack].encode()}))
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(path)
    assert {defect.code for defect in caught.value.defects} == {"manifest.members"}
    assert len(caught.value.defects) <= 1000


def test_metadata_that_are_not_those_of_record_are_not_even_read(tmp_path: Path) -> None:
    for member in ("METADATA", "WHEEL", "entry_points.txt"):
        others = files()
        others[INFO + member] = others[INFO + member].replace(b"e", b"E", 1)
        with pytest.raises(BundleError) as caught:
            modelwheel.open(bundle(tmp_path, others))
        assert caught.value.code == "integrity.digest"
        assert caught.value.defects[0].where == INFO + member


NAMES = ("Tiny", "a b", "a--b", "a.b", "café", "$(id)", "a'\"", "a;b", "-x", "a=b", "[a]", "*", "modelwheel", "x" * 101)
VERSIONS = ("01.0", "1.0.", "v1", "latest", "1.0;x", "$(id)", "1.0+LOCAL", "1.0 ", "1" * 101, "")


def called(name: str, version: str) -> dict[str, bytes]:
    """The tiny bundle under another name and version, which agree everywhere."""
    made = {}
    for member, data in files(name=name, version=version).items():
        if not member.endswith("/RECORD"):
            renamed = data.replace(b"Name: tiny", b"Name: " + name.encode()).replace(
                b"\nVersion: 1.0", f"\nVersion: {version}".encode()
            )
            if member.endswith("entry_points.txt"):
                renamed = f"[modelwheel.bundles]\n{name} = modelwheel_bundles.{name}\n".encode()
            folder = member.replace(INFO, f"{name}-{version}.dist-info/").replace(ROOT, f"modelwheel_bundles/{name}/")
            made[folder] = renamed
    own = f"{name}-{version}.dist-info/RECORD"
    return made | {own: record(made).replace(f"{INFO}RECORD".encode(), own.encode())}


def test_another_name_and_version_open(tmp_path: Path) -> None:
    with modelwheel.open(bundle(tmp_path, called("other", "2.0.post1+local"), "x.whl")) as opened:
        assert (opened.name, opened.version) == ("other", "2.0.post1+local")


@pytest.mark.parametrize(("name", "version"), [*((n, "1.0") for n in NAMES), *(("tiny", v) for v in VERSIONS)])
def test_names_and_versions_go_into_commands_that_people_copy(name: str, version: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(bundle(tmp_path, called(name, version), "x.whl"))
    assert {defect.code for defect in caught.value.defects} <= {"archive.layout", "manifest.members", "archive.name"}


def native(**changes: object) -> dict[str, bytes]:
    """The tiny bundle whose native runtime says something else."""
    (runtime,) = json.loads(files()[f"{ROOT}manifest.json"])["runtimes"]
    return files(runtimes=[runtime | changes])


COMMANDS = {
    "name": {"name": 'x"; rm -rf ~; "', "version": "1", "specifier": ""},
    "name as option": {"name": "--index-url", "version": "1", "specifier": ""},
    "range": {"name": "x", "version": "1", "specifier": '"; rm -rf ~; "'},
    "range by address": {"name": "x", "version": "1", "specifier": " @ https://evil.example/x.whl"},
    "version": {"name": "x", "version": "$(id)", "specifier": ""},
}


@pytest.mark.parametrize("attack", COMMANDS)
def test_requirements_go_into_commands_that_people_copy(attack: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(bundle(tmp_path, native(requires=[COMMANDS[attack]])))
    assert caught.value.code == "manifest.invalid"


@pytest.mark.parametrize("version", ["./python", "/tmp/python", "--config-file=x", "../x", "3.11/x", "", "3.x"])
def test_no_program_is_named_as_a_version_of_python(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv takes the path of an interpreter where it takes a version, and runs it to see what it is."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    made = native(python={"version": version, "specifier": "==2.7"})
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(bundle(tmp_path, made)).explain()
    assert caught.value.code == "manifest.invalid"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("marker", ["--config-settings=a=b", "os_name == 'nt' --config-settings=a=b", "'a' -x"])
def test_a_marker_of_a_lock_is_no_option(marker: str) -> None:
    package = f'name = "x"\nversion = "1"\nmarker = "{marker}"\nsdist = {{hashes = {{sha256 = "{"a" * 64}"}}}}'
    with pytest.raises(InvalidBundle, match="lock"):
        read_lock(f'lock-version = "1.0"\n[[packages]]\n{package}\n'.encode())


SYSTEMS = {
    "device": "native/con",
    "device with a suffix": "NUL.tar.gz",
    "device as a folder": "aux/x",
    "device with a superscript": "com\u00b9",
    "device with a blank": "prn .txt",
    "wildcard": "a?b",
    "version of a file to unzip": "a;1",
    "pipe": "a|b",
    "quote": 'a"b',
    "Python file to a Mac": "x.p\u200cy",
    "Python file that ends invisibly": "x.py\u200b",
    "extension module to a Mac": "x.\u017fo",
    "direction": "a\u202egpj.bin",
    "old control": "a\u0085b",
    "archive of Python": "x.pyz",
    "link of Windows": "x.lnk",
}


@pytest.mark.parametrize("attack", SYSTEMS)
def test_names_that_mean_something_to_a_system(attack: str, tmp_path: Path) -> None:
    name = SYSTEMS[attack]
    made = files()
    document = json.loads(made[f"{ROOT}manifest.json"])
    digest = Digest(size=1, sha256="2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
    document["members"][name] = digest.attributes()
    made[f"{ROOT}manifest.json"] = json.dumps(document).encode()
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(bundle(tmp_path, with_record({f"{ROOT}{name}": b"x"} | made)))
    assert {defect.code for defect in caught.value.defects} == {"archive.name"}


SHA = "a" * 64
PACKAGE = 'lock-version = "1.0"\n[[packages]]\nname = "x"\nversion = "1"\n'
WHEEL = f'wheels = [{{name = "x-1-py3-none-any.whl", hashes = {{sha256 = "{SHA}"}}}}]'
LOCKS = {
    "key of many parts": "a." * 8_000_000 + "a = 1",
    "quoted key of many parts": '"\\"".' * 100_000 + "a = 1",
    "key of many parts in a table": "x = {a = {b = 1}, " + "'b' . " * 100_000 + "c = 1}",
    "key of many parts behind a text": 'x = {a = """\n\'""", ' + "b." * 100_000 + "c = 1}",
    "quotes that are never closed": '"\\' * 8_000_000,
    "nested lists": "a = " + "[" * 100_000,
    "version of 5,000 digits": f"lock-version = 0x{'f' * 5_000}\npackages = []",
    "version as a list": "lock-version = [1]\npackages = []",
    "wheels as one": f'{PACKAGE}wheels = {{hashes = {{sha256 = "{SHA}"}}}}',
}


@pytest.mark.parametrize("attack", LOCKS)
def test_locks_cost_little(attack: str) -> None:
    """A reader of TOML that is fed 80 kB of dots works for half a minute; more of them take all memory."""
    import tracemalloc

    data = LOCKS[attack].encode()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidBundle) as caught:
            read_lock(data)
        assert tracemalloc.get_traced_memory()[1] < 64 * len(data) + 5_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.code == "isolated.lock"


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ('lock-version = "1.0"\nrequires-python = "<<3"\npackages = []', "not a version range"),
        (PACKAGE + WHEEL.replace('name = "x-1-py3-none-any.whl"', 'url = "https://[x"'), "lists no wheel"),
    ],
)
def test_locks_that_nothing_can_be_exported_by(lock: str, message: str) -> None:
    with pytest.raises(ModelwheelError, match=message):
        select(lock.encode(), [Target(python="3.12", platform="linux-x86_64")])


def test_markers_that_cannot_be_judged_leave_the_package_in() -> None:
    target = Target(python="3.12", platform="linux-x86_64")
    for marker in ("foo == '1'", "os_name ~= '1'", "os_name"):
        lock = f'{PACKAGE}marker = "{marker}"\n{WHEEL}'
        assert [wheel.file for wheel in select(lock.encode(), [target])[target]] == ["x-1-py3-none-any.whl"]
