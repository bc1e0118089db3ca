"""Packages that only some models need: what packing says where one is not installed, or does not work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modelwheel_loader.errors import MissingExtra
from modelwheel_loader.text import clip


@contextmanager
def needed(package: str, purpose: str, *, extra: str, or_native: bool = False) -> Iterator[None]:
    """Around the import of `package`, which `purpose` needs: raises `MissingExtra` in place of `ImportError`.

    `extra` of modelwheel installs it; with `or_native`, a bundle without an ONNX payload does not need it.
    """
    try:
        yield
    except ImportError as error:
        install = f'pip install "modelwheel[{extra}]"'
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package:
            hint = install + (', or pack with options=Options(runtimes=("native",))' if or_native else "")
            raise MissingExtra.of(
                "pack.extra", f"{purpose} needs {package}, which is not installed", hint=hint
            ) from error
        message = f"{purpose} needs {package}, which is installed and cannot be imported"
        hint = f"Its own message says why. To install it again: {install} --force-reinstall"
        raise MissingExtra.of("pack.extra", message, found=clip(error, 300), hint=hint) from error
