"""modelwheel, tried as its peers are."""

import sys
from pathlib import Path

import common

import modelwheel


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    frame, _ = common.training()
    modelwheel.pack(common.fitted(), name="plain", version="1.0", sample=frame, out=folder)


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    frame, _ = common.training()
    native = modelwheel.Options(runtimes=("native",))
    modelwheel.pack(common.with_canary(), name="canary", version="1.0", sample=frame, out=folder, options=native)
    model, sample = common.large()
    modelwheel.pack(model, name="large", version="1.0", sample=sample, out=folder, options=native)


def probe(folder: Path) -> None:
    """The verdicts."""
    plain, canary, large = (folder / f"{name}-1.0-py3-none-any.whl" for name in ("plain", "canary", "large"))
    common.sang()  # packing unpickled it
    described = [f"{field.name} {field.type}" for field in modelwheel.open(canary).schema]
    reads = "–" if common.sang() else "✓"
    refused = common.outcome(lambda: modelwheel.load(canary, runtime="native"))
    runs = common.sang()
    bundle = modelwheel.open(plain)
    model = bundle.load(runtime="native", trust=modelwheel.Trust.digests(bundle.digest))
    bad = common.outcome(lambda: model.predict(common.BAD))
    report = bundle.verify()
    replayed = [step.name for step in report.steps if step.name.startswith("onnx") and step.outcome == "passed"]
    parity = {item.kind: str(getattr(item, "parity", {}).get("predict")) for item in bundle.runtimes}
    trust = modelwheel.Trust.unsafe_run_code()
    common.tell(
        installs=common.installs(plain),
        reads=(reads, ", ".join(described)),
        refuses=("–" if runs else "✓", refused),
        good=("✓", common.outcome(lambda: model.predict(common.GOOD))),
        defects=(common.judged(bad), bad),
        null=common.same_nulls(model.predict(common.NULLS)),
        replays=("✓" if replayed and report.ok else "–", ", ".join(replayed)),
        onnx=("✓" if "onnx" in parity else "–", parity.get("onnx", "")),
        mapped=common.mapped(lambda: modelwheel.load(large, runtime="native", trust=trust)),
    )


def other(folder: Path) -> None:
    """Load what another scikit-learn has saved."""
    trust = modelwheel.Trust.unsafe_run_code()
    wheel = folder / "plain-1.0-py3-none-any.whl"
    common.tell(versions=common.warned(lambda: modelwheel.load(wheel, runtime="native", trust=trust)))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
