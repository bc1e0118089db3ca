"""`prove`: the clean-room proof of a bundle that is there already, and a copy of it that holds the proof."""

from __future__ import annotations

import os
from pathlib import Path

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening import Proof, plain
from modelwheel_loader.proof import Report
from modelwheel_loader.run import Isolation, Trust

from ..wheel.repack import with_proof
from .room import Progress, prove_bundle


def prove(
    reference: str | os.PathLike[str] | Bundle,
    *,
    trust: Trust | None = None,
    isolation: Isolation = Isolation(),  # noqa: B008 - an immutable record
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Prove that the bundle answers as recorded in an environment that holds its lock and nothing else.

    The environment is built in an empty place and removed again; the bundle's code runs in it, so it must be trusted.
    With `out`, a copy of the bundle with the proof in its manifest is written into that folder, when it was proven.
    `isolation` says where packages come from (`find_links`, `no_index`) and names a Python. `report.ok` says whether it
    was proven. Raises `EnvironmentMismatch` when the bundle has no lock or the environment cannot be built.
    """
    bundle = open_bundle(reference)
    try:
        proven = prove_bundle(bundle, trust=trust, isolation=isolation, progress=progress)
        if out is not None and proven.proof is not None:
            write_copy(bundle, proven.proof, Path(out))
        return proven.report
    finally:
        if bundle is not reference:
            bundle.close()


def write_copy(bundle: Bundle, proof: Proof, folder: Path) -> Path:
    """Write the wheel file `bundle`, with `proof` in its manifest, into `folder`; the path of the copy.

    Raises `UsageError` for a bundle that is not a wheel file, and `IntegrityError` when its bytes are not as recorded.
    """
    if bundle.kind != "wheel":
        message = "a copy with the proof can be written of a wheel file only"
        raise UsageError.of("usage.argument", message, found=bundle.kind)
    return with_proof(bundle, plain(proof), folder)
