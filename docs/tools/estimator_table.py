"""Writes docs/estimators.md: every estimator of scikit-learn, packed, and how its bundle answers. Takes a minute."""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
HEAD = """# Which scikit-learn estimators convert to ONNX?

`docs/tools/estimator_table.py` writes this page: it packs every estimator of scikit-learn that has a prediction or
transform method. A test checks the table. **Native**: the loaded bundle gives the original's answers bit for bit.
**ONNX**: every method agrees with the original within tolerance, measured when packing; otherwise the methods that
do, and why the others do not. Estimators are those of scikit-learn's own tests, with default parameters unless shown,
fitted on 60 rows.

"""


def main() -> None:
    """Pack, print the counts, and write the page."""
    from estimators import ESTIMATORS, PAGE, line, row

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(ESTIMATORS):
            rows.append(row(name, Path(folder)))
            print(line(rows[-1]), flush=True)
    whole, native = sum(item.whole for item in rows), sum(item.native for item in rows)
    count = (
        f"scikit-learn {version('scikit-learn')}, onnxruntime {version('onnxruntime')}: of {len(rows)} estimators "
        f"**{whole} convert with every method** and {native} answer natively bit for bit.\n"
    )
    print(count)
    table = ["| estimator | native | ONNX | methods, or why not |", "| --- | --- | --- | --- |", *map(line, rows)]
    PAGE.write_text(f"{HEAD}{count}\n" + "\n".join(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
