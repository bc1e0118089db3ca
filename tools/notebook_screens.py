"""Writes what notebooks show as HTML, each on a light and on a dark page, and as PNG where Chromium is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import modelwheel

PAGES = {"light": "background: #fff; color: #1f2328", "dark": "background: #111; color: #e6e6e6"}
JUPYTER = """
.jp-RenderedHTMLCommon table {border-collapse: collapse; border: none; font-size: 12px; table-layout: fixed;
  margin-left: auto; margin-right: auto}
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th {text-align: right; vertical-align: middle; padding: .5em;
  line-height: normal; white-space: normal; max-width: none; border: none}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) {background: rgba(128, 128, 128, .12)}
"""
"""What JupyterLab's own style does to tables: the views must not depend on its absence."""
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def write_views(packed: Any, folder: Path) -> None:
    """Every view of the bundle that `pack` has just returned, and of errors that it gives rise to."""
    for name, view in views(packed).items():
        for scheme, style in PAGES.items():
            page = folder / f"notebook-{name}-{scheme}.html"
            body = f'<div class="jp-RenderedHTMLCommon">{view}</div>'
            look = f"<style>body {{font-family: sans-serif; {style}}} {JUPYTER}</style>"
            page.write_text(f'<!doctype html><meta charset="utf-8">{look}{body}', encoding="utf-8")
            photograph(page.resolve().as_uri(), page.with_suffix(".png"), dark=scheme == "dark")


def views(packed: Any) -> dict[str, str]:
    """The views by name."""
    wheel = packed.path
    bundle = modelwheel.open(wheel)
    model = bundle.load(runtime="onnx")
    wide = pd.DataFrame(np.arange(5_000.0).reshape(5, 1_000), columns=[f"pixel_{number}" for number in range(1_000)])
    rows = [{"age": "old", "monthly_bil": 1.0, "support_calls": 2, "plan": None}] * 2
    trust = modelwheel.Trust.digests(bundle.digest)
    shown: dict[str, Any] = {
        "bundle": bundle,
        "report-pack": packed.report,
        "model": model,
        "schema": bundle.schema,
        "schema-wide": modelwheel.infer_schema(wide).schema,
        "explanation": bundle.explain(),
        "report-verify": bundle.verify(trust=trust),
        "report-tampered": modelwheel.verify(tampered(wheel)),
        "error-input": raised(lambda: model.predict(rows)),
        "error-one": raised(lambda: model.predict({**rows[0], "age": 30.0, "monthly_bill": 1.0})),
        "error-trust": raised(lambda: bundle.load(runtime="native")),
        "error-missing": raised(lambda: modelwheel.load("nothing-of-that-name")),
    }
    return {name: value._repr_html_() for name, value in shown.items()}


def raised(call: Callable[[], Any]) -> modelwheel.errors.ModelwheelError:
    """The error that the call raises."""
    try:
        call()
    except modelwheel.errors.ModelwheelError as error:
        return error
    raise SystemExit("nothing was raised")


def tampered(wheel: Path) -> Path:
    """A copy in which one bit differs."""
    data = bytearray(wheel.read_bytes())
    data[data.index(b"sklearn.pipeline")] ^= 1
    copy = wheel.with_name("tampered.whl")
    copy.write_bytes(data)
    return copy


def photograph(address: str, target: Path, *, dark: bool, width: int = 1100, height: int = 1000) -> None:
    """The page as PNG, as a reader sees it whose system is dark or light."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *CHROMIUM, scheme, f"--user-data-dir={profile}", f"--screenshot={target}"]
        subprocess.run([*command, f"--window-size={width},{height}", address], check=True, capture_output=True)
