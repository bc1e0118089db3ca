"""Methods without a graph, and why: the reason ends in the manifest and in the report."""

from __future__ import annotations

from typing import Any

from ..frames import Frame
from ..graph import Unconvertible
from ..registry import answers

_REASONS = {
    "transform": {
        "NMF": "it solves an optimization for the whole batch, by iterations",
        "MiniBatchNMF": "it solves an optimization for the whole batch, by iterations",
        "LatentDirichletAllocation": "it iterates over each row until the topics stay",
        "DictionaryLearning": "it solves a sparse code for each row",
        "MiniBatchDictionaryLearning": "it solves a sparse code for each row",
        "SparseCoder": "it solves a sparse code for each row",
        "FeatureHasher": "it hashes names that are known only while it runs",
    },
    "score_samples": {"BernoulliRBM": "it draws at random"},
}


def _refusing(reason: str) -> Any:
    def convert(model: Any, x: Frame) -> Any:  # noqa: ARG001 - all converters are called alike
        raise Unconvertible(reason)

    return convert


for _method, _classes in _REASONS.items():
    for _name, _reason in _classes.items():
        answers(_method, _name)(_refusing(f"{_name} has no graph for {_method}: {_reason}"))
