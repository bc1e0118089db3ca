"""Everything that `pack` has found, and the wheel's content that follows from it."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from modelwheel_loader.errors import ParityError
from modelwheel_loader.opening import (
    FORMATS,
    Cost,
    Digest,
    ExampleFiles,
    LeftOut,
    Manifest,
    Method,
    NativePayload,
    OnnxPayload,
    Payload,
    Proof,
    Requirement,
    dump_json,
)
from modelwheel_loader.proof import encode_input, encode_output
from modelwheel_loader.run import MEMBER as CODE

from ..capturing.capture import Captured
from ..golden.choose import Golden
from ..golden.recording import Recorded
from ..golden.state import sklearn_settings
from ..locking.lock import Locked
from ..onnx import WEIGHTS, stored
from ..parity.measure import Measured
from ..pickling.dump import Pickled
from ..version import VERSION
from ..wheel.metadata import About, Identity, metadata_of
from ..wheel.writer import Pieces, Progress, write_wheel
from .contract import Contract, Subject

BUFFERS = "native/buffers.bin"
INPUT = "examples/input.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What the steps before writing have found. `runtimes` is the author's order."""

    identity: Identity
    about: About
    subject: Subject
    contract: Contract
    recorded: Sequence[Recorded]
    golden: Golden
    captured: Captured | str | None
    measured: Measured | None
    graph_requires: tuple[Requirement, ...]
    locked: Locked
    runtimes: tuple[str, ...]
    proof: Proof | None = None
    costs: Mapping[str, Cost] = field(default_factory=dict)

    def write(self, stream: BinaryIO, progress: Progress | None) -> None:
        """Write the wheel; raises `ParityError` when no runtime is left."""
        content: dict[str, Pieces] = dict(self._examples())
        payloads = self._payloads(content)
        if not payloads:
            reasons = "; ".join(item.reason for item in self._left_out(())) or "none was asked for"
            raise ParityError.of("pack.no-runtime", f"no runtime is left that answers as the model does: {reasons}")
        if self.locked.file is not None and self.locked.data is not None:
            content[self.locked.file.member] = [self.locked.data]
        write_wheel(
            stream,
            root=self.identity.root,
            dist_info=self.identity.dist_info,
            payload=content,
            manifest=self._manifest(payloads),
            metadata=metadata_of(self.identity, self.about, payloads, self._features(payloads)),
            progress=progress,
        )

    def _examples(self) -> dict[str, Pieces]:
        if not self.golden.stored:
            return {}
        rows = self.golden.rows
        made: dict[str, Pieces] = {INPUT: [encode_input(self.golden.batch, self.contract.schema)]}
        for method in self.recorded:
            made[_answers(method.name)] = [encode_output(method.golden, method.output, rows)]
        return made

    def _payloads(self, content: dict[str, Pieces]) -> tuple[Payload, ...]:
        """The runtimes in the author's order; their members are added to `content`."""
        made = {"onnx": self._onnx(content), "native": self._native(content)}
        found = (made.get(kind) for kind in self.runtimes)
        return tuple(payload for payload in found if payload is not None)

    def _native(self, content: dict[str, Pieces]) -> NativePayload | None:
        captured = self.captured
        if not isinstance(captured, Captured):
            return None
        model, sources = captured.content, captured.sources
        payload = NativePayload(
            format=model.format,
            member=FORMATS[model.format].member,
            buffers_member=BUFFERS if model.spans else None,
            code_member=CODE if sources.modules else None,
            modules=sources.tops,
            spans=model.spans,
            methods=tuple(method.name for method in self.recorded),
            python_version=platform.python_version(),
            python_specifier=captured.python_specifier,
            requires=captured.requires,
            mapped_bytes=model.mapped_bytes,
            copied_bytes=model.copied_bytes,
            settings=model.settings,
            reproducible=model.reproducible,
            **sklearn_settings(captured.requires),
            cost=self.costs.get("native"),
        )
        content[payload.member] = [model.data]
        if isinstance(model, Pickled) and model.spans:
            content[BUFFERS] = model.pieces
        if sources.modules:
            content[CODE] = [sources.member()]
        return payload

    def _onnx(self, content: dict[str, Pieces]) -> OnnxPayload | None:
        if self.measured is None or self.measured.candidate is None:
            return None
        candidate = self.measured.candidate
        metadata = {
            "modelwheel.name": self.identity.name,
            "modelwheel.version": self.identity.version,
            "modelwheel.schema": hashlib.sha256(dump_json(self.contract.schema.to_dict())).hexdigest(),
        }
        graph, weights, pieces = stored(candidate.described(VERSION, metadata), candidate.weights)
        payload = OnnxPayload(
            weights_member=WEIGHTS if weights else None,
            weights=weights,
            inputs=candidate.inputs,
            outputs=candidate.outputs,
            opsets=candidate.opsets,
            requires=self.graph_requires,
            parity=self.measured.parity,
            cost=self.costs.get("onnx"),
        )
        content[payload.member] = [graph]
        if weights:
            content[WEIGHTS] = pieces
        return payload

    def _features(self, payloads: tuple[Payload, ...]) -> tuple[str, ...]:
        """What a reader of this bundle must understand, beyond the first form of the format."""
        used = {"answers-index"} if any(self._method(method).index for method in self.recorded) else set()
        for payload in payloads:
            if isinstance(payload, NativePayload) and (
                payload.metadata_routing or payload.transform_output != "default"
            ):
                used.add("sklearn-settings")
        return tuple(sorted(used))

    def _manifest(self, payloads: tuple[Payload, ...]) -> Callable[[Mapping[str, Digest]], bytes]:
        """A function from the digests of the members to the manifest, which is written after them."""

        def manifest(digests: Mapping[str, Digest]) -> bytes:
            made = Manifest(
                name=self.identity.name,
                version=self.identity.version,
                summary=self.about.summary,
                description=self.about.description,
                packed_with=_packed_with(),
                model={
                    "framework": self.subject.adapter.framework,
                    "class": self.subject.adapter.class_name(self.subject.model),
                },
                input=self.contract.schema,
                methods=tuple(self._method(method) for method in self.recorded),
                runtimes=payloads,
                left_out=self._left_out(payloads),
                examples=self._example_files(),
                lock=self.locked.file,
                proof=self.proof,
                members=digests,
                features=self._features(payloads),
            )
            return dump_json(made.to_dict())

        return manifest

    def _method(self, method: Recorded) -> Method:
        return Method(
            name=method.name,
            output=method.output,
            deterministic=method.deterministic,
            tolerance=method.tolerance,
            classes=self.subject.adapter.classes(self.subject.model, method.name),
            parameters=self.contract.parameters[method.name],
            index=method.index,
        )

    def _left_out(self, payloads: Sequence[Payload]) -> tuple[LeftOut, ...]:
        reasons = {
            "onnx": "" if self.measured is None else "; ".join(self.measured.reasons),
            "native": self.captured if isinstance(self.captured, str) else "",
            "isolated": self.locked.reason if isinstance(self.captured, Captured) else "",
        }
        made = {payload.kind for payload in payloads}
        return tuple(LeftOut(kind=kind, reason=why) for kind, why in reasons.items() if why and kind not in made)

    def _example_files(self) -> ExampleFiles | None:
        if not self.golden.stored:
            return None
        outputs = {method.name: _answers(method.name) for method in self.recorded}
        return ExampleFiles(source=self.golden.source, rows=self.golden.rows, input=INPUT, outputs=outputs)


def _answers(method: str) -> str:
    return f"examples/{method}.json"


def _packed_with() -> dict[str, str]:
    """What wrote the bundle, without the names of persons and folders."""
    return {
        "modelwheel": VERSION,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{sys.platform}-{platform.machine()}",
    }
