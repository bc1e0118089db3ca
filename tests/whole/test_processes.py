"""What services do with a model: forks with and without preload, pools, threads, pickles, read-only places."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import modelwheel
from environments import ROOT, environment, modelwheel_wheel, run
from models import flights_like, pack_flights_like
from modelwheel.errors import IntegrityError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    return pack_flights_like(tmp_path_factory.mktemp("dist"))


def script(code: str, *arguments: object, **environment_variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment_variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FORK = """
import os, sys, json
import numpy as np
import modelwheel
path, runtime, preload, digest = sys.argv[1:]
trust = modelwheel.Trust.digests(digest)
row = {"delay": 40.0, "distance": 700, "built": None, "carrier": "AA", "origin": "JFK"}
model = modelwheel.load(path, runtime=runtime, trust=trust) if preload == "preload" else None
expected = model.predict_proba(row).tolist() if model else None
children = []
for _ in range(3):
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        mine = model or modelwheel.load(path, runtime=runtime, trust=trust)
        answers = [mine.predict_proba(row).tolist() for _ in range(3)]
        os.write(into, json.dumps(answers).encode())
        os._exit(0)
    os.close(into)
    children.append((pid, out))
answers = []
for pid, out in children:
    answers += json.loads(os.read(out, 65536))
    assert os.waitpid(pid, 0)[1] == 0
assert len({str(answer) for answer in answers}) == 1
assert expected is None or answers[0] == expected
print("good")
"""


@pytest.mark.parametrize("preload", ["preload", "later"])
@pytest.mark.parametrize("runtime", ["onnx", "native"])
def test_gunicorn_style_forks_answer(bundle: modelwheel.Bundle, runtime: str, preload: str) -> None:
    assert script(FORK, bundle.path, runtime, preload, bundle.digest) == "good"


ENDS = """
import gc, os, signal, sys, time
import modelwheel
from modelwheel_loader import SessionOptions
path, what = sys.argv[1:]
row = {"delay": 40.0, "distance": 700, "built": None, "carrier": "AA", "origin": "JFK"}
model = modelwheel.load(path, runtime="onnx", onnx=SessionOptions(threads=4))
model.predict(row)
pid = os.fork()
if not pid:
    if what != "nothing":
        model.predict(row)
    if what == "close":
        model.close()
    if what == "drop":
        del model
        gc.collect()
    sys.exit(0)  # the whole end of the interpreter, as a worker of gunicorn has it
end = time.monotonic() + 60
while time.monotonic() < end:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        print("ended", status)
        break
    time.sleep(0.02)
else:
    os.kill(pid, signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["nothing", "predict", "close", "drop"])
def test_a_forked_worker_ends(bundle: modelwheel.Bundle, what: str) -> None:
    """The session that it has from before the fork has no threads any more: waiting for them would never end."""
    assert script(ENDS, bundle.path, what) == "ended 0"


def ask(model: modelwheel.Model, frame: object) -> object:
    return model.predict(frame)


@pytest.mark.parametrize("runtime", ["onnx", "native"])
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_model_travels_to_other_processes_as_a_reference(bundle: modelwheel.Bundle, runtime: str, method: str) -> None:
    model = bundle.load(runtime=runtime)
    assert len(pickle.dumps(model)) < 2_000
    frame = flights_like(50)[0]
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        answers = list(pool.map(ask, [model] * 4, [frame] * 4))
    for answer in answers:
        np.testing.assert_array_equal(answer, model.predict(frame))


def test_model_travels_by_joblib(bundle: modelwheel.Bundle) -> None:
    import joblib

    model = bundle.load(runtime="onnx")
    frame = flights_like(50)[0]
    answers = joblib.Parallel(2)(joblib.delayed(ask)(model, frame) for _ in range(2))
    answers += joblib.Parallel(2)(joblib.delayed(model.predict)(frame) for _ in range(2))
    for answer in answers:
        np.testing.assert_array_equal(answer, model.predict(frame))


def test_pickled_model_refuses_another_bundle_at_its_path(bundle: modelwheel.Bundle, tmp_path: Path) -> None:
    first = pack_flights_like(tmp_path)
    pickled = pickle.dumps(first.load(runtime="onnx"))
    other, frame = __import__("models").flights_like_pipeline()
    modelwheel.pack(
        other,
        name="flight-delay",
        version="1.2.0",
        sample=frame,
        about=modelwheel.About(summary="another"),
        options=modelwheel.Options(overwrite=True),
        out=tmp_path,
    )
    with pytest.raises(IntegrityError, match="not the bundle that was opened before"):
        pickle.loads(pickled)


@pytest.mark.parametrize("runtime", ["onnx", "native"])
def test_threads_share_a_model(bundle: modelwheel.Bundle, runtime: str) -> None:
    model = bundle.load(runtime=runtime)
    frame = flights_like(200)[0]
    expected = model.predict_proba(frame)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for answer in pool.map(model.predict_proba, [frame] * 16):
            np.testing.assert_array_equal(answer, expected)


ASK = """
import sys, modelwheel
model = modelwheel.load(sys.argv[1], runtime="onnx")
print(model.predict({"delay": 90.0, "distance": 700, "built": None, "carrier": "AA", "origin": "JFK"}))
"""


WITHOUT_RIGHTS = """
import os, sys, modelwheel
row = {"delay": 90.0, "distance": 700, "built": None, "carrier": "AA", "origin": "JFK"}
trust = modelwheel.Trust.unsafe_run_code()
modelwheel.load(sys.argv[1], trust=trust, runtime=sys.argv[2]).predict(row)  # imports what will be out of reach
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for integrity in ("first", "always", "code"):
    model = modelwheel.load(sys.argv[1], trust=trust, runtime=sys.argv[2], integrity=integrity)
    print(model.predict(row))
"""


@pytest.mark.parametrize("runtime", ["onnx", "native"])
def test_no_home_no_cache_and_nothing_writable(bundle: modelwheel.Bundle, tmp_path: Path, runtime: str) -> None:
    """The place where digests are remembered cannot be made, and the file cannot be written: neither is an error."""
    shared = tmp_path / Path(bundle.path).name
    shared.write_bytes(Path(bundle.path).read_bytes())
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    shared.chmod(0o444)
    before = sorted(path.name for path in tmp_path.iterdir())
    answers = script(WITHOUT_RIGHTS, shared, runtime, HOME="/dev/null", XDG_CACHE_HOME="/dev/null/cache")
    assert answers.split("\n") == ["late"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_installed_by_name_after_pip_with_hashes(bundle: modelwheel.Bundle, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", modelwheel_wheel(), "onnxruntime", "pip")
    digest = bundle._place.file_digest()
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"flight-delay==1.2.0 --hash={digest}\n")
    links = ("--no-index", "--no-deps", "--find-links", str(Path(bundle.path).parent))
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", *links, "-r", requirements)
    code = ASK.replace('runtime="onnx"', "").replace("sys.argv[1],", "sys.argv[1]")
    assert run(python, "-I", "-c", code, "flight-delay==1.2.0").stdout.strip() == "late"
    shown = json.loads(run(python, "-I", "-m", "modelwheel_loader", "inspect", "--json", "flight-delay").stdout)
    assert (shown["kind"], shown["digest"]) == ("installed", bundle.digest)
    wrong = run(python, "-I", "-m", "modelwheel_loader", "inspect", "flight-delay>=2", check=False)
    assert (wrong.returncode, "does not satisfy" in wrong.stderr) == (1, True)
    native = run(
        python, "-I", "-c", code.replace("sys.argv[1]", 'sys.argv[1], runtime="native"'), "flight-delay", check=False
    )
    assert "scikit-learn is not installed" in native.stderr
    assert 'pip install "flight-delay[native]"' in native.stderr
    assert ROOT.exists()


REPLACED = """
import os, sys
from pathlib import Path
import modelwheel
path, what = Path(sys.argv[1]), sys.argv[2]
row = {"delay": 40.0, "distance": 700, "built": None, "carrier": "AA", "origin": "JFK"}
with modelwheel.open(path) as bundle:
    model = bundle.load(runtime="onnx")
    expected = model.predict(row)
    if what == "closed":
        bundle.close()
    for file in [path] if path.is_file() else path.rglob("*.onnx"):
        if what == "replaced":
            file.with_suffix(".tmp").write_bytes(b"another version")
            os.replace(file.with_suffix(".tmp"), file)
        elif what == "removed":
            file.unlink()
        elif what == "overwritten":
            file.write_bytes(b"another version")
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if model.predict(row) == expected else 1)
        except modelwheel.errors.ModelwheelError as error:
            print(error.code, flush=True)
        os._exit(2)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("what", ["closed", "replaced", "removed", "overwritten"])
def test_a_forked_worker_answers_by_what_was_loaded(
    bundle: modelwheel.Bundle, tmp_path: Path, what: str, *, unpacked: bool
) -> None:
    """A new version that is installed beneath a running service changes nothing before it is started anew."""
    target = tmp_path / Path(bundle.path).name
    target.write_bytes(Path(bundle.path).read_bytes())
    if unpacked:
        with zipfile.ZipFile(target) as archive:
            archive.extractall(tmp_path / "unpacked")
        target = tmp_path / "unpacked"
    expected = "archive.truncated\n2" if what == "overwritten" else "0"
    assert script(REPLACED, target, what) == expected
