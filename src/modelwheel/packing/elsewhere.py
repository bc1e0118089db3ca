"""What `pack` lets a fresh interpreter replay: the draft, and a second number of rows that the original predicted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from modelwheel_loader.errors import Defect, PackError, UsageError
from modelwheel_loader.opening import Schema
from modelwheel_loader.proof import encode_input, encode_output
from modelwheel_loader.run import COMPUTED
from modelwheel_loader.text import clip
from modelwheel_loader.validate import compile_input

from ..capturing.capture import Captured, references_in
from ..golden.choose import Golden
from ..golden.recording import Recorded, predict
from ..options import Options
from ..origins import MAIN, Origins
from ..pickling.dump import Pickled
from ..replaying.fresh import HERE, NOWHERE, Few, Fresh, Seen, started
from .contract import Contract
from .draft import Draft

_ROWS = 3
"""The second number of rows; another one where there are as many golden rows."""


class Elsewhere:
    """The replay in a fresh interpreter, where there is one."""

    def __init__(self, fresh: Fresh | None, otherwise: Seen) -> None:
        self._fresh = fresh
        self._otherwise = otherwise

    def ask(self, draft: Draft) -> None:
        """Begin to replay the draft. Raises `PackError` when the original does not answer another number of rows."""
        if self._fresh is None:
            return
        few = _few(draft.contract, draft.golden, draft.recorded)
        kind = "native" if isinstance(draft.captured, Captured) else "onnx"
        self._fresh.ask(lambda stream: draft.write(stream, None), draft.identity.file_name, kind, few)

    def answer(self, draft: Draft) -> Seen:
        """What the replay showed; raises `PackError` when it failed."""
        if self._fresh is None:
            return self._otherwise
        captured = draft.captured
        needed = captured.requires if isinstance(captured, Captured) else draft.graph_requires
        return self._fresh.answer(needed)


@contextlib.contextmanager
def elsewhere(
    captured: Captured | str | None, contract: Contract, origins: Origins, options: Options
) -> Iterator[Elsewhere]:
    """The interpreter, which imports the model's libraries meanwhile; none when the author wants none."""
    if options.replay == "here":
        yield Elsewhere(None, HERE)
        return
    with started(_modules(captured, contract.schema, origins), origins) as fresh:
        yield Elsewhere(fresh, NOWHERE)


def _modules(captured: Captured | str | None, schema: Schema, origins: Origins) -> list[str]:
    """The modules to import before the bundle is there."""
    found: dict[str, None] = {}
    if schema.container in ("pandas", "polars", "pyarrow"):
        found[schema.container] = None
    if isinstance(captured, Captured):
        content = captured.content
        named = references_in(content) if isinstance(content, Pickled) else content.references
        found |= dict.fromkeys(reference.module for reference in named)
        found |= {} if isinstance(content, Pickled) else dict.fromkeys(content.modules)
    else:
        found["onnxruntime"] = None
    return [name for name in found if name not in (*MAIN, COMPUTED) and not origins.is_local(name)]


def _few(contract: Contract, golden: Golden, recorded: Sequence[Recorded]) -> Few | None:
    """A second number of rows, with the answers of the original; None where a call takes no such number."""
    schema = contract.schema
    rows = _ROWS - 1 if golden.rows == _ROWS else _ROWS
    if not (schema.min_rows or 0) <= rows <= (rows if schema.max_rows is None else schema.max_rows):
        return None
    data = golden.sample.take(np.arange(rows) % golden.rows)
    batch = compile_input(schema)(data)
    answers, defects = {}, []
    for method in recorded:
        try:
            found = predict(method.name, contract.methods[method.name], data)
            answers[method.name] = encode_output(found, method.output, rows)
        except (PackError, UsageError) as error:
            message = f"another number of rows ({rows}) is not answered as {golden.rows} are: {error.message}"
            defects.append(Defect(code="pack.elsewhere", message=clip(message, 500), field=method.name, hint=_HINT))
    if defects:
        raise PackError("the model answers one number of rows alone", defects)
    return Few(rows=rows, input=encode_input(batch, schema), answers=answers)


_HINT = "Bundles answer any number of rows: Schema.replace(min_rows=…, max_rows=…) says what a call may have."
