"""The other side of the demo: a process that never saw the training code. It has the bundle installed, and no more."""

from __future__ import annotations

import sys

import numpy as np

import modelwheel


def main(rows: str, answers: str) -> None:
    """Answer the columns in the file `rows` by both runtimes, and write the answers."""
    columns = dict(np.load(rows))
    found = {}
    for runtime in ("onnx", "native"):
        with modelwheel.load("flight-delay==1.2.0", runtime=runtime) as model:
            report = model.check()
            print(f"   {report.subject}: golden examples {'good' if report.ok else 'BAD'}")
            found[f"{runtime}_labels"] = model.predict(columns).astype(str)
            found[f"{runtime}_probabilities"] = model.predict_proba(columns)
    one = {name: values[0].item() for name, values in columns.items()}
    with modelwheel.load("flight-delay", runtime="onnx") as model:
        print(f"   one flight, {one['carrier']} {one['origin']} → {one['dest']}: {model.predict(one)}")
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
