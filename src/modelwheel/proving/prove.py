"""`prove`: the clean-room proof of a bundle that is there already, and a copy of it that holds the proof."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import IntegrityError, UsageError
from modelwheel_loader.limits import DEFAULT
from modelwheel_loader.opening.manifest import MEMBER, Digest, Proof, plain
from modelwheel_loader.opening.resolve import open_place
from modelwheel_loader.opening.strictjson import dump_json
from modelwheel_loader.proof.report import Report
from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.run.trust import Trust

from ..wheel.save import save
from ..wheel.writer import Pieces, write_wheel
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

    Raises `UsageError` for a bundle that is no wheel file, and `IntegrityError` when its bytes are not those recorded.
    """
    if bundle.kind != "wheel":
        message = "a copy with the proof can be written of a wheel file only"
        raise UsageError.of("usage.argument", message, found=bundle.kind)
    with contextlib.closing(open_place(bundle.path)) as place:
        document = json.loads(place.read(place.root + MEMBER, limit=DEFAULT.manifest)) | {"proof": plain(proof)}

        def manifest(digests: Mapping[str, Digest]) -> bytes:
            if dict(digests) != dict(bundle.manifest.members):
                raise IntegrityError.of("integrity.digest", "the bundle does not hold the bytes that were recorded")
            return dump_json(document)

        payload: dict[str, Pieces] = {name: [place.map(place.root + name)[0]] for name in bundle.manifest.members}
        info = place.dist_info
        metadata = {
            name.removeprefix(info): place.read(name, limit=DEFAULT.record)
            for name in place.members
            if name.startswith(info) and name != f"{info}RECORD"
        }
        target = folder / f"{place.dist_info.removesuffix('.dist-info/')}-py3-none-any.whl"
        save(
            target,
            lambda stream: write_wheel(
                stream, root=place.root, dist_info=info, payload=payload, manifest=manifest, metadata=metadata
            ),
            check=lambda path: open_bundle(path).close(),
            overwrite=True,
        )
    return target
