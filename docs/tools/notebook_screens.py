"""Writes what notebooks show as HTML, each on a light and on a dark page, and as PNG where Chromium is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import modelwheel
from screen_subjects import bad_rows

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


def write_views(packed: Mapping[str, Any], folder: Path) -> None:
    """Every view of bundles that `pack` has just returned, and of errors that they give rise to."""
    for name, view in views(packed).items():
        for scheme, style in PAGES.items():
            page = folder / f"notebook-{name}-{scheme}.html"
            body = f'<div class="jp-RenderedHTMLCommon">{view}</div>'
            look = f"<style>body {{font-family: sans-serif; {style}}} {JUPYTER}</style>"
            page.write_text(f'<!doctype html><meta charset="utf-8">{look}{body}', encoding="utf-8")
            photograph(page.resolve().as_uri(), page.with_suffix(".png"), dark=scheme == "dark")


def views(packed: Mapping[str, Any]) -> dict[str, str]:
    """The views by name, of what `screen_subjects.make_all` returned."""
    churn = packed["churn"]
    wheel = churn.path
    bundle = modelwheel.open(wheel)
    model = bundle.load(runtime="onnx")
    hostile = modelwheel.open(next((wheel.parent / "evil").glob("*.whl")))
    trust = modelwheel.Trust.digests(bundle.digest)
    shown: dict[str, Any] = {
        "bundle": bundle,
        "bundle-hard": modelwheel.open(packed["hard"].path),
        "bundle-evil": hostile,
        "report-pack": churn.report,
        "report-pack-wide": packed["wide"].report,
        "report-pack-hard": packed["hard"].report,
        "model": model,
        "schema": bundle.schema,
        "schema-hard": packed["hard"].schema,
        "schema-wide": packed["wide"].schema,
        "explanation": bundle.explain(),
        "explanation-evil": hostile.explain(),
        "report-verify": bundle.verify(trust=trust),
        "report-tampered": modelwheel.verify(wheel.parent / "tampered" / wheel.name),
        "error-many": raised(lambda: model.predict(bad_rows())),
        "error-input": raised(lambda: model.predict(bad_rows()[6:8])),
        "error-one": raised(lambda: model.predict(bad_rows()[0])),
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


def photograph(address: str, target: Path, *, dark: bool, width: int = 1100, height: int = 1000) -> None:
    """The page as PNG, as a reader sees it whose system is dark or light."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *CHROMIUM, scheme, f"--user-data-dir={profile}", f"--screenshot={target}"]
        subprocess.run([*command, f"--window-size={width},{height}", address], check=True, capture_output=True)
