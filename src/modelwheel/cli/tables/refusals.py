"""What happens to rows that are refused: the run stops, or they are left out, or they go into a file of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO, Literal

from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import InputError, ModelwheelError
from modelwheel_loader.text import safe_json

from .chunks import Numbers

OnError = Literal["stop", "skip", "separate"]


class Refusals:
    """Counts refused rows, and writes them as JSON lines when there is somewhere to write."""

    def __init__(self, mode: OnError, stream: BinaryIO | None = None) -> None:
        self.mode = mode
        self.rows = 0
        self.codes: Counter[str] = Counter()
        self._stream = stream

    @property
    def stops(self) -> bool:
        """Whether the first refused row ends the run."""
        return self.mode == "stop"

    def line(self, number: int, error: InputError, text: str) -> None:
        """A line of the input that is no row; raises `error` when the run stops at it."""
        if self.stops:
            raise error
        self.row(number, error.defects, {"line": text})

    def row(self, number: int, defects: Sequence[Defect], values: dict[str, Any]) -> None:
        """One refused row and what is wrong with it."""
        self.rows += 1
        self.codes.update({defect.code for defect in defects})
        if self._stream is not None:
            told = [defect.replace(row=None).to_dict() for defect in defects]
            line = json.dumps({"row": number, "errors": told, "values": values}, ensure_ascii=False, default=str)
            self._stream.write(safe_json(line).encode("utf-8", "backslashreplace") + b"\n")


def placed(error: ModelwheelError, numbers: Numbers) -> ModelwheelError:
    """The error with the rows of the input instead of those of the batch."""
    moved = [defect if defect.row is None else defect.replace(row=int(numbers[defect.row])) for defect in error.defects]
    made = type(error)(error.message, moved, counted=error.counted)
    made.__cause__ = error.__cause__
    return made
