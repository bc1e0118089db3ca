"""Writes docs/errors.md from the table of codes and the tree in errors.py. Run it after adding a code."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from modelwheel_loader import errors
from modelwheel_loader.show.codes import CODES

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
AREAS = {
    "archive": "The file, the folder, the installation",
    "environment": "Python and package versions",
    "examples": "Golden examples",
    "export": "Export",
    "infer": "Inferring a schema",
    "input": "Input data",
    "integrity": "Digests",
    "isolated": "Isolated models",
    "json": "JSON inside a bundle",
    "manifest": "The manifest",
    "native": "The native payload",
    "onnx": "The ONNX payload",
    "output": "Output",
    "pack": "Packing",
    "predict": "Predicting",
    "prove": "The clean room",
    "resolve": "Finding a bundle",
    "schema": "Schemas",
    "trust": "Trust",
    "usage": "Wrong arguments",
    "worker": "The worker of an isolated model",
    "write": "Writing",
}


def main() -> None:
    """Write the page."""
    tree = (errors.__doc__ or "").partition("\n\n")[2].partition("\n\nAn error")[0]
    lines = [
        "# Errors",
        "",
        "Every error is a `ModelwheelError`. It carries *all* defects that were found, each with a stable code, the",
        "place, what was found, what was expected and what to do next. Codes never change their meaning.",
        "",
        "```text",
        *tree.splitlines(),
        "```",
        "",
        "`error.defects` are records; `error.to_dict()` is the error as JSON types; `error.to_problem()` of an input",
        "error is an RFC 9457 problem without any value of the data in it.",
    ]
    for area, codes in groupby(sorted(CODES), key=lambda code: code.partition(".")[0]):
        lines += ["", f"## {AREAS.get(area, area)}", ""]
        lines += ["| code | what happened | how to fix it |", "| --- | --- | --- |"]
        lines += [f"| `{code}` | {CODES[code].cause} | {CODES[code].cure} |" for code in codes]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
