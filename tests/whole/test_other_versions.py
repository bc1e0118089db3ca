"""Other versions of scikit-learn, really installed: patches load without a word, minors are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import modelwheel
from environments import environment, modelwheel_wheel, run
from modelwheel_loader.run.environment import satisfies

PACK = """
import sys, numpy as np, modelwheel
from sklearn.linear_model import LogisticRegression
X = np.arange(20.0).reshape(10, 2)
model = LogisticRegression().fit(X, X[:, 0] > 9)
options = modelwheel.Options(runtimes=("native",))
modelwheel.pack(model, name="line", version="1", sample=X, options=options, out=sys.argv[1],
    dependencies=modelwheel.Dependencies(lock="none"))
"""
LOAD = """
import json, sys, warnings, modelwheel
warnings.simplefilter("error")
bundle = modelwheel.open(sys.argv[1])
trust = modelwheel.Trust.unsafe_run_code()
(native,) = [s for s in bundle.explain(trust=trust).runtimes if s.kind == "native"]
print(json.dumps({"explained": native.available, "text": str(bundle.explain(trust=trust))}))
try:
    with bundle.load(trust=trust, runtime="native") as model:
        print(json.dumps({"loaded": model.check().ok}))
except modelwheel.errors.EnvironmentMismatch as error:
    print(json.dumps({"refused": str(error), "code": error.code}))
"""


@pytest.mark.slow
def test_what_the_resolver_installs_the_loader_loads_without_a_warning(tmp_path: Path) -> None:
    own = modelwheel_wheel()
    author = environment(tmp_path / "author", own, "cloudpickle", "packaging>=26", "scikit-learn==1.7.1")
    run(author, "-c", PACK, tmp_path / "dist")
    wheel = tmp_path / "dist" / "line-1-py3-none-any.whl"
    (headers,) = [modelwheel.open(wheel).metadata["requires-dist"]]
    (wanted,) = [Requirement(text) for text in headers if text.startswith("scikit-learn")]
    for version, accepted in (("1.7.2", True), ("1.7.0", False), ("1.6.1", False), ("1.8.0", False)):
        assert wanted.specifier.contains(version) is accepted, version
        assert satisfies(version, str(wanted.specifier)) is accepted
    for version, accepted in (("1.7.2", True), ("1.6.1", False)):
        python = environment(tmp_path / version, own, "cloudpickle", f"scikit-learn=={version}", "packaging")
        lines = [json.loads(line) for line in run(python, "-c", LOAD, wheel).stdout.splitlines()]
        assert lines[0]["explained"] is accepted
        assert "the same minor version, at least this patch (packed with 1.7.1)" in lines[0]["text"]
        if accepted:
            assert lines[1] == {"loaded": True}
        else:
            assert lines[1]["code"] == "environment.version"
            assert 'pip install "scikit-learn~=1.7.1"' in lines[1]["refused"]
    # and a resolver that is asked for the bundle's own extra takes a version that is accepted
    service = environment(tmp_path / "service", f"line[native] @ {wheel.as_uri()}", own)
    lines = [json.loads(line) for line in run(service, "-c", LOAD, wheel).stdout.splitlines()]
    assert lines[1] == {"loaded": True}
