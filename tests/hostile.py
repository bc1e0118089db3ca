"""Text that wants to be more than text, and a bundle that has it wherever a manifest and METADATA have text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from builders import FILE_NAME, INFO, archive, files, with_record

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u200b[bold red]loud[/] :smile: [link=file:///etc]here[/link] \x7f\r"
    "</td></style><script>steal()</script><img src=x onerror='steal()'>&lt;\"'"
)


def hostile_bundle(folder: Path) -> Path:
    """A wheel that opens, and is hostile wherever it may hold text of its author's."""
    changes = files()
    manifest = json.loads(next(data for name, data in changes.items() if name.endswith("manifest.json")))
    field = {
        "name": EVIL,
        "type": "string",
        "unit": EVIL,
        "description": EVIL,
        "allowed": [EVIL],
        "pattern": re.escape(EVIL),
        "default": EVIL,
    }
    manifest["input"] = {"fields": [field], "layout": "records", "container": "numpy", "extra": "ignore"}
    manifest["methods"][0]["classes"] = [EVIL]
    manifest["runtimes"][0]["requires"][0] |= {"reason": EVIL}
    words: dict[str, Any] = {"summary": EVIL, "description": EVIL, "model": {"class": EVIL, "framework": EVIL}}
    words |= {"packed_with": {"modelwheel": EVIL}, "left_out": [{"kind": "onnx", "reason": EVIL}]}
    parts = files(**{**{key: manifest[key] for key in ("input", "methods", "runtimes")}, **words})
    head, _, body = parts[f"{INFO}METADATA"].decode().partition("\n\n")
    parts[f"{INFO}METADATA"] = f"{head}\nAuthor: {EVIL.replace(chr(13), '')}\n\n{body}".encode()
    path = folder / FILE_NAME
    path.write_bytes(archive(with_record(parts)))
    return path
