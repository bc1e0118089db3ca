"""Writes a bundle again, with another manifest or other metadata and the same payloads. Nothing of it is run."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import IntegrityError
from modelwheel_loader.opening import DEFAULT, MEMBER, PACKER, Digest, Place, dump_json, open_place, read_headers

from ..version import VERSION
from .metadata import PRIVATE, About, Identity, identify, metadata_of
from .save import save
from .writer import Pieces, write_wheel

Change = Callable[[About], About]


def repack(
    reference: str | os.PathLike[str] | Bundle,
    *,
    out: str | os.PathLike[str] = "dist",
    version: str | None = None,
    about: About | Change | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle again in today's format into the folder `out`, with the same payloads; the new bundle, opened.

    Neither the training environment nor trust is needed: nothing of the bundle is imported or run, and every byte of
    its payloads is compared with its digest. `about` corrects what the bundle says of itself: an `About` replaces all
    of it, a function gets the old one and returns the new one (`lambda old: dataclasses.replace(old, summary="…")`).
    `version` gives it another version. The same bundle and arguments give the same bytes.

    Raises `PackError` for a version or an `about` that cannot be written, `IntegrityError` when the payloads do not
    match their digests, and `WriteError`, also when the file already exists with different content, unless `overwrite`.
    """
    bundle = open_bundle(reference)
    try:
        with contextlib.closing(open_place(bundle.path)) as place:
            old = _about(place, bundle)
            new = about(old) if callable(about) else about or old
            return open_bundle(_repacked(place, bundle, new, version, Path(out), overwrite=overwrite))
    finally:
        if bundle is not reference:
            bundle.close()


def _about(place: Place, bundle: Bundle) -> About:
    """What the author said of the bundle."""
    headers = read_headers(place, DEFAULT)
    one = {name: "".join(headers.get(name, ())[:1]) for name in ("author", "author-email", "license-expression")}
    labels = (line.partition(", ") for line in headers.get("project-url", ()))
    return About(
        summary=bundle.manifest.summary,
        description=bundle.manifest.description,
        author=one["author"],
        author_email=one["author-email"],
        license=one["license-expression"],
        keywords=tuple(filter(None, "".join(headers.get("keywords", ())).split(","))),
        urls={label: address for label, _, address in labels},
        public=PRIVATE not in headers.get("classifier", ()),
    )


def _repacked(
    place: Place, bundle: Bundle, about: About, version: str | None, folder: Path, *, overwrite: bool
) -> Path:
    old = bundle.manifest
    identity = identify(old.name, old.version if version is None else version)
    made = old.replace(
        version=identity.version,
        summary=about.summary,
        description=about.description,
        packed_with={**old.packed_with, PACKER: VERSION},
    )
    made_anew = metadata_of(identity, about, old.runtimes, old.features)
    metadata = {name: data for name, data in _metadata(place).items() if "/" in name} | made_anew
    return rewrite(place, bundle, identity, made.to_dict(), metadata, folder, overwrite=overwrite)


def with_proof(bundle: Bundle, proof: Mapping[str, Any], folder: Path) -> Path:
    """Write a copy of `bundle` with `proof` in its manifest into `folder`; the path of the copy."""
    with contextlib.closing(open_place(bundle.path)) as place:
        identity = Identity(bundle.name, bundle.version)
        return rewrite(place, bundle, identity, {"proof": proof}, _metadata(place), folder, overwrite=True)


def rewrite(
    place: Place,
    bundle: Bundle,
    identity: Identity,
    changes: Mapping[str, Any],
    metadata: Mapping[str, bytes],
    folder: Path,
    *,
    overwrite: bool,
) -> Path:
    """Write the bundle in `place` with `changes` to its manifest and this `metadata`; the path of the new file.

    Raises `IntegrityError` when its payloads do not match their digests.
    """
    document = json.loads(place.read(place.root + MEMBER, limit=DEFAULT.manifest)) | changes

    def manifest(digests: Mapping[str, Digest]) -> bytes:
        if dict(digests) != dict(bundle.manifest.members):
            raise IntegrityError.of("integrity.digest", "the bundle does not hold the bytes that were recorded")
        return dump_json(document)

    payload: dict[str, Pieces] = {name: [place.map(place.root + name)[0]] for name in bundle.manifest.members}
    target = folder / identity.file_name
    save(
        target,
        lambda stream: write_wheel(
            stream,
            root=identity.root,
            dist_info=identity.dist_info,
            payload=payload,
            manifest=manifest,
            metadata=metadata,
        ),
        check=lambda path: open_bundle(path).close(),
        overwrite=overwrite,
    )
    return target


def _metadata(place: Place) -> dict[str, bytes]:
    """The files in the dist-info folder, without RECORD."""
    info = place.dist_info
    names = [name for name in place.members if name.startswith(info) and name != f"{info}RECORD"]
    return {name.removeprefix(info): place.read(name, limit=DEFAULT.record) for name in names}
