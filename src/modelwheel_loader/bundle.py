"""An opened bundle: what it is, its input, whether it can run here. Opening reads and validates; it runs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy  # noqa: F401, ICN001 - first, imported inside our own imports it is slower

from .doors import door
from .errors import BundleError, IntegrityError, UsageError
from .limits import DEFAULT, Limits
from .model import Model
from .opening.integrity import Checker, Members, checked_manifest
from .opening.manifest import ISOLATED
from .opening.resolve import open_place
from .run.selection import Candidate, candidates, choose
from .run.trust import Trust
from .text import safe

if TYPE_CHECKING:
    from pathlib import Path

    from .opening.integrity import Policy
    from .opening.manifest import Manifest, Method, Payload
    from .opening.places import Place
    from .opening.schema import Schema
    from .proof.examples import Goldens
    from .proof.report import Explanation, Report, Step
    from .run.isolation import Isolation
    from .run.native_runtime import NativeRuntime
    from .run.onnx_runtime import SessionOptions
    from .run.selection import Preference, Runtime


Reference = str | os.PathLike[str]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (bytes or rows)."""


class Bundle:
    """A bundle in a wheel file, an unpacked folder or an installation.

    `digest` is the SHA-256 of its manifest, which names the digest of every payload: it is the same wherever the
    bundle is. Usable as a context manager; payloads that a model maps stay mapped after `close`.
    """

    def __init__(self, place: Place, *, limits: Limits = DEFAULT) -> None:
        self._place = place
        self._limits = limits
        self._trust: Trust | None = None
        self.manifest: Manifest
        self.manifest, self.digest = checked_manifest(place, limits)

    @property
    def path(self) -> Path:
        """The wheel file, the folder, or the `.dist-info` directory of the installation."""
        from pathlib import Path

        return Path(self._place.path)

    @property
    def kind(self) -> str:
        """What the bundle is in: `wheel`, `folder` or `installed`."""
        return self._place.kind

    @property
    def name(self) -> str:
        """The normalised name of the distribution."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The normalised version of the distribution."""
        return self.manifest.version

    @property
    def schema(self) -> Schema:
        """The schema of the model's input."""
        return self.manifest.input

    @cached_property
    def metadata(self) -> Mapping[str, tuple[str, ...]]:
        """The headers of METADATA by their names in lower case: `author`, `license-expression` and so on."""
        from .opening.integrity import read_headers

        return MappingProxyType(read_headers(self._place, self._limits))

    @cached_property
    def methods(self) -> Mapping[str, Method]:
        """The prediction methods by name, each with the schema of its output."""
        return MappingProxyType({method.name: method for method in self.manifest.methods})

    @property
    def runtimes(self) -> tuple[Payload, ...]:
        """What can run the model, each with its `kind`, in the author's order."""
        return self.manifest.runtimes

    @cached_property
    def examples(self) -> Goldens | None:
        """The golden examples, or None when the author left them out. Their values are read on access."""
        from .proof.examples import Goldens

        return Goldens(self.manifest, self._members("first", None), self._limits) if self.manifest.examples else None

    def load(
        self,
        *,
        trust: Trust | None = None,
        runtime: str = "auto",
        integrity: Policy = "first",
        cache: Reference | None = None,
        onnx: SessionOptions | None = None,
        isolation: Isolation | None = None,
        prefer: Preference | None = None,
    ) -> Model:
        """Open the model for prediction.

        `trust` says whether code of the bundle may run; by default an installed bundle is trusted and a file is not.
        `runtime` is `auto`, or the only kind to use. `integrity` says which bytes are compared with their digests
        (`docs/security.md`), `cache` is the directory that remembers what was compared, `onnx` are the settings of
        onnxruntime, and `isolation` those of the isolated runtime, which `auto` uses only when they are given. With
        `prefer`, `auto` uses the cheapest by recorded cost. Raises `TrustError` or `EnvironmentMismatch` with each
        runtime's reason.
        """
        given = self._trusting(trust)
        judged = self._candidates(given, self._isolation(isolation, runtime), runtime)
        chosen = choose(judged, runtime, self.manifest, prefer)
        payload = chosen.payload
        opened: Runtime
        if chosen.plan is not None:
            opened = self._open_isolated(chosen.plan, payload, integrity, cache)
        elif payload.kind == "native":
            opened = self.open_native(integrity=integrity, cache=cache)
        else:
            from .run.onnx_runtime import OnnxRuntime

            opened = OnnxRuntime(payload, self.schema, self._members(integrity, cache), onnx)
        kept = isolation and isolation.replace(progress=None)
        recipe = (self._reference(), self.digest, given, chosen.kind, integrity, cache, onnx, kept, self._limits)
        return Model(self, opened, {name: self.methods[name] for name in payload.methods}, (load_again, recipe))

    def open_native(self, *, integrity: Policy = "first", cache: Reference | None = None) -> NativeRuntime:
        """The original object in this process, without a check of trust and environment: code of the bundle **runs**.

        `load` checks both first; so has the caller of the worker process, which calls this.
        """
        from .run.native_runtime import NativeRuntime

        payload = next((item for item in self.runtimes if item.kind == "native"), None)
        if payload is None:
            raise UsageError.of("usage.runtime-left-out", f"{self.name} has no native runtime")
        return NativeRuntime(payload, self.schema, self._members(integrity, cache), self.name)

    def _open_isolated(self, plan: Any, payload: Payload, integrity: Policy, cache: Reference | None) -> Runtime:
        settings = {"integrity": integrity, "cache": None if cache is None else os.path.abspath(cache)}
        opening: dict[str, Any] = {"path": self._place.location, "digest": self.digest, **settings}
        opening["limits"] = self._limits.attributes()
        made: Runtime = door("open_isolated")(plan, self.manifest, payload.methods, opening)
        return made

    def explain(self, *, trust: Trust | None = None, isolation: Isolation | None = None) -> Explanation:
        """For each runtime: whether it can run here, and if not, exactly why and what to do."""
        judged = list(self._candidates(self._trusting(trust), self._isolation(isolation, ISOLATED)))
        explained: Explanation = door("explain")(self.manifest, judged, self._members("code", None))
        return explained

    def requirements(self, runtime: str | None = None) -> str:
        """The lock as a requirements file with hashes, for all runtimes or one; `EnvironmentMismatch` without one."""
        from .run.requirements import requirements_of

        return requirements_of(self.manifest, self._members("code", None), runtime)

    def verify(
        self, *, trust: Trust | None = None, progress: Progress | None = None, structure_only: bool = False
    ) -> Report:
        """Compare every byte with its digest and replay the golden examples on each runtime that may run here.

        `report.ok` is True only if a model ran; `structure_only` runs none and accepts a valid structure.
        """
        from .proof.verification import verify_bundle

        given = self._trusting(trust)

        def replay_on(kind: str) -> tuple[Step, ...]:
            with self.load(trust=given, runtime=kind, integrity="code") as model:
                return self.replay(model).steps

        candidates = list(self._candidates(given))
        found = (self.manifest, self.examples, self._place, candidates, replay_on, progress)
        return verify_bundle(*found, structure_only=structure_only)

    def replay(self, model: Model) -> Report:
        """Replay the golden examples through `model`, which was loaded from this bundle."""
        from .proof.report import Report
        from .proof.verification import replay

        methods = {name: getattr(model, name) for name in model.methods}
        steps = tuple(replay(self.manifest, self.examples, model.runtime, methods))
        return Report(subject=f"{self.name} {self.version} ({model.runtime})", steps=steps)

    def trust_by_default(self, trust: Trust) -> None:
        """Use `trust` where `load` is not given one. `pack` does this for a bundle that it has just made."""
        self._trust = trust

    def close(self) -> None:
        """Close the file. Loaded models keep working; nothing more can be read."""
        self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return open_again, (self._reference(), self.digest, self._trust, self._limits)

    def __repr__(self) -> str:
        kinds = ", ".join(payload.kind for payload in self.runtimes)
        return f"<Bundle {safe(self.name)} {safe(self.version)} ({self.kind}; {kinds}) {safe(self._place.path)}>"

    def _repr_html_(self) -> str:
        return str(door("html.bundle")(self))

    def _reference(self) -> str:
        return f"{self.name}=={self.version}" if self.kind == "installed" else self._place.location

    def _trusting(self, trust: Trust | None) -> Trust:
        if trust is not None:
            return Trust.checked(trust)
        return self._trust or (Trust.installed() if self.kind == "installed" else Trust.data_only())

    def _isolation(self, isolation: Isolation | None, runtime: str) -> Isolation | None:
        """The settings of the isolated runtime when it comes into question: it is named, or allowed."""
        if isolation is None and runtime != ISOLATED:
            return None
        from .run.isolation import Isolation

        return Isolation.checked(isolation) or Isolation()

    def _candidates(
        self, trust: Trust, isolation: Isolation | None = None, runtime: str = "auto"
    ) -> Iterator[Candidate]:
        members = self._members("code", None)
        return candidates(self.manifest, self._place, members, self.digest, trust, isolation, runtime)

    def _members(self, integrity: Policy, cache: Reference | None) -> Members:
        return Members(self._place.root, self.manifest, Checker(self._place, integrity, cache), self._limits)


def open_bundle(reference: Reference | Bundle, *, limits: Limits = DEFAULT) -> Bundle:
    """Open the bundle that `reference` means: a path, or a requirement that an installed bundle satisfies.

    A `PathLike`, or a text that ends in `.whl` or holds a path separator, is a path; any other text is a requirement
    (`churn`, `churn==1.2.0`, `churn>=1.2,<2`). Reads and validates; imports nothing and runs nothing from the bundle.
    Raises `ResolutionError`, `InvalidBundle` with all defects, `IntegrityError`, `UnsupportedFormat`.
    """
    if isinstance(reference, Bundle):
        return reference
    place = open_place(reference, limits=limits)
    try:
        return Bundle(place, limits=limits)
    except BaseException:
        place.close()
        raise


def open_again(reference: Reference, digest: str, trust: Trust | None, limits: Limits = DEFAULT) -> Bundle:
    """Open a bundle that was opened before; raises `IntegrityError` when another one is there now."""
    bundle = open_bundle(reference, limits=limits)
    if trust is not None:
        bundle.trust_by_default(trust)
    if bundle.digest != digest:
        bundle.close()
        raise IntegrityError.of(
            "integrity.replaced",
            f"{safe(str(reference))} is not the bundle that was opened before",
            expected=digest,
            found=bundle.digest,
        )
    return bundle


def load_again(
    reference: Reference,
    digest: str,
    trust: Trust,
    runtime: str,
    integrity: Policy,
    cache: Reference | None,
    onnx: SessionOptions | None,
    isolation: Isolation | None,
    limits: Limits,
) -> Model:
    """Load a model that was pickled, from the same bundle, with the same trust, runtime and limits."""
    bundle = open_again(reference, digest, None, limits)
    return bundle.load(trust=trust, runtime=runtime, integrity=integrity, cache=cache, onnx=onnx, isolation=isolation)


def load(
    reference: Reference | Bundle,
    *,
    trust: Trust | None = None,
    runtime: str = "auto",
    integrity: Policy = "first",
    cache: Reference | None = None,
    onnx: SessionOptions | None = None,
    isolation: Isolation | None = None,
    prefer: Preference | None = None,
    limits: Limits = DEFAULT,
) -> Model:
    """Open the bundle that `reference` means and load its model: `open_bundle` and `Bundle.load` in one call."""
    return open_bundle(reference, limits=limits).load(
        trust=trust, runtime=runtime, integrity=integrity, cache=cache, onnx=onnx, isolation=isolation, prefer=prefer
    )


def verify(
    reference: Reference | Bundle,
    *,
    trust: Trust | None = None,
    progress: Progress | None = None,
    limits: Limits = DEFAULT,
    structure_only: bool = False,
) -> Report:
    """Verify the bundle that `reference` means: `report.ok` says whether it is valid and predicts as recorded.

    It is False when no model ran: without trust, in another environment, or without golden examples. With
    `structure_only` no model runs, and `report.ok` says whether the structure is valid.
    A bundle that cannot be opened gives a report with the defects, not an exception; `ResolutionError` is raised when
    there is nothing to verify.
    """
    from .proof.verification import failed_report

    try:
        bundle = open_bundle(reference, limits=limits)
    except BundleError as error:
        return failed_report(safe(str(reference)), error)
    return bundle.verify(trust=trust, progress=progress, structure_only=structure_only)
