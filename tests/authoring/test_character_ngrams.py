"""N-grams of characters in a graph: counted as scikit-learn counts them, whatever the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline

import modelwheel
from modelwheel.onnx.estimators import column_names, possible_inputs
from modelwheel.onnx.translate import translate
from modelwheel_loader.run.onnx_runtime import open_session
from real_data import paragraphs, same_answers

TEXTS = [
    "Free money!! now", "hello my friend,  how are you?", "WIN a prize Ünïcode\u00a0x", "meeting \t\n at noon", "",
    "  ", "a", " b ", "x y  z", "ΑΒΓ δ", "日本 語", "behind  ", "  before", "\n", "a\nb", "i\u2003",
]  # fmt: skip
OTHERS = ["never seen ☃ zzz", "Q", " Q", "a  b   c", "noon  ", "\u2003wide\u2003", "abc" * 99]
RANDOM = np.random.default_rng(0)
MADE_UP = ["".join(RANDOM.choice(list("ab c\n\tAB é"), RANDOM.integers(0, 14))) for _ in range(150)]
SETTINGS: list[dict[str, Any]] = [{}, {"lowercase": False}, {"binary": True}, {"max_features": 20}]


@pytest.mark.parametrize("lengths", [(1, 1), (1, 3), (2, 3), (3, 5), (4, 4)])
@pytest.mark.parametrize("analyzer", ["char", "char_wb"])
def test_counts_are_those_of_scikit_learn(analyzer: str, lengths: tuple[int, int]) -> None:
    schema = modelwheel.infer_schema(TEXTS).schema
    inputs = next(possible_inputs(schema))
    assert not isinstance(inputs, str)
    texts = TEXTS + OTHERS + MADE_UP
    for settings in SETTINGS:
        model = CountVectorizer(analyzer=analyzer, ngram_range=lengths, **settings).fit(TEXTS)
        made = translate(model, inputs, column_names(schema), ["transform"])
        assert not isinstance(made, str), made
        session = open_session(made.data)
        expected = model.transform(texts).toarray()
        (found,) = session.run({"x": np.array(texts, dtype=object)[:, None]}, ["transform"])
        np.testing.assert_array_equal(found, expected, err_msg=str(settings))
        for text, row in zip(texts[:12], expected, strict=False):  # alone, with nothing behind it
            (alone,) = session.run({"x": np.array([[text]], dtype=object)}, ["transform"])
            np.testing.assert_array_equal(alone[0], row, err_msg=repr(text))


def test_characters_beside_words_in_a_pipeline(tmp_path: Path) -> None:
    texts, labels = paragraphs()
    both = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=2)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, sublinear_tf=True)),
        ]
    )
    model = make_pipeline(both, LogisticRegression()).fit(texts[:400], labels[:400])
    with modelwheel.pack(model, name="both", version="1", sample=texts[:400], out=tmp_path) as bundle:
        same_answers(model, bundle, texts[400:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"strip_accents": "unicode"}, "strips accents"),
        ({"preprocessor": str.upper, "lowercase": False}, "applies a function"),
        ({"ngram_range": (1, 20)}, "too many combinations"),
        ({"vocabulary": ["much longer than three"]}, "no term"),
    ],
)
def test_what_has_no_graph_says_why(settings: dict[str, Any], reason: str) -> None:
    model = CountVectorizer(**{"analyzer": "char", "ngram_range": (2, 3), **settings}).fit(TEXTS)
    schema = modelwheel.infer_schema(TEXTS).schema
    inputs = next(possible_inputs(schema))
    assert not isinstance(inputs, str)
    made = translate(model, inputs, column_names(schema), ["transform"])
    assert isinstance(made, str)
    assert reason in made
