r"""Texts to numbers: `sklearn.feature_extraction.text`.

The graph does not depend on a locale. A regular expression of Unicode classes, equal to Python's `\w` (except for
characters newer than the Python that packed it), splits texts into tokens; each distinct token is lowered character by
character with Python's own table, put together again and looked up. Two things differ from `str.lower`, and parity
shows where they matter: İ, which Python lowers to two characters, and Σ at the end of a word before a character such as
an apostrophe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame
from ..graph import MICROSOFT, STRING
from ..numpy_names import np
from ..registry import converts, ones
from ..result import Unconvertible
from ..steps import look_up, required, text
from .ngrams import character_ids, character_table, code_of, moved_behind, windows
from .scaling import normalize

WORD = r"[\p{L}\p{N}_]"
_WITH_MARKS = r"[\p{L}\p{N}_\p{M}]"
_RUNS = re.compile(r"(?:\(\?u\))?(?:\\b)?((?:\\w)*)\\w([+*]|\{(\d+),\})(?:\\b)?")
"""Patterns of runs of word characters with a minimum length."""
_PLAIN = re.compile(r"(?:\(\?u\))?(?:\[[^\[\]\\^]+\](?:[+*]|\{\d*,?\d*\})?)+")
"""Patterns of plain classes of characters, which mean the same in both kinds of regular expressions."""
LONGEST_TOKEN = 256
MOST_COLUMNS = 1 << 16
"""The most columns that a graph makes dense."""
_SENTINEL = "\1\1"


@converts("transform", "CountVectorizer")
def _counts(model: Any, x: Frame) -> Array:
    return _counted(model, x).astype(model.dtype)


@converts("transform", "TfidfVectorizer")
def _tfidf(model: Any, x: Frame) -> Array:
    return weighted(model._tfidf, _counted(model, x))  # noqa: SLF001


@converts("transform", "TfidfTransformer")
def _tfidf_of_counts(model: Any, x: Frame) -> Array:
    return weighted(model, x.matrix())


def weighted(model: Any, counts: Array) -> Array:
    """`TfidfTransformer.transform`."""
    if model.sublinear_tf:
        counts = np.where(counts == 0.0, 0.0, np.log(np.where(counts == 0.0, 1.0, counts)) + 1.0)
    if model.use_idf:
        counts = counts * np.asarray(model.idf_, np.float64)
    return counts if model.norm is None else normalize(counts, model.norm)


@converts("transform", "HashingVectorizer")
def _hashed(model: Any, x: Frame) -> Array:
    """`FeatureHasher`: MurmurHash3 of the token, whose sign is that of the count."""
    if model.n_features > MOST_COLUMNS:
        raise Unconvertible(f"its {model.n_features:,} columns would become dense")
    if model.analyzer != "word":
        raise Unconvertible("hashing of characters has no converter")
    tokens = _without_stop_words(model, *_tokens(model, x, None))
    found = _joined(tokens, model.ngram_range)
    hashed = found.emit("MurmurHash3", domain=MICROSOFT, dtype="int32", shape=found.shape, positive=0).astype(WHOLE)
    places = abs(hashed).emit("Mod", np.array(model.n_features, np.int64))
    there = found != text(found, "")
    signed = model.alternate_sign and not model.binary  # `binary` sets counts to one, whatever their sign
    signs = np.where(hashed >= 0, 1.0, -1.0) if signed else (hashed == hashed).astype(FLOAT)  # noqa: PLR0124
    made = _summed(x, np.where(there, places, np.int64(model.n_features)), signs, model.n_features)
    if model.binary:
        made = (made != 0.0).astype(FLOAT)
    return made if model.norm is None else normalize(made, model.norm)


# -- counting ------------------------------------------------------------------------------------------------------


def _counted(model: Any, x: Frame) -> Array:
    vocabulary: Mapping[str, int] = model.vocabulary_
    if len(vocabulary) > MOST_COLUMNS:
        raise Unconvertible(f"its {len(vocabulary):,} columns would become dense")
    if model.analyzer == "word":
        ids = _word_ids(model, x, vocabulary)
    elif model.analyzer in ("char", "char_wb"):
        ids = character_ids(model, x, vocabulary)
    else:
        raise Unconvertible("its analyzer is a function")
    made = _summed(x, ids, (ids == ids).astype(FLOAT), len(vocabulary))  # noqa: PLR0124
    return (made > 0.0).astype(FLOAT) if model.binary else made


def _summed(x: Frame, places: Array, values: Array, width: int) -> Array:
    """`values` added up at `places` of each row, of shape (rows, width); the place `width` is ignored."""
    x.graph.widest = max(x.graph.widest, width)
    zeros = ones(x, width + 1) * 0.0
    filled = zeros.emit("ScatterElements", places, values, axis=1, reduction="add")
    return filled[:, np.arange(width)]


def _word_ids(model: Any, x: Frame, vocabulary: Mapping[str, int]) -> Array:
    """The place in the vocabulary of each n-gram, of shape (rows, n-grams); its size for those that are not there."""
    low, high = model.ngram_range
    size = len(vocabulary)
    parts = {term: term.split(" ") if high > 1 else [term] for term in vocabulary}
    words = sorted({word for split in parts.values() for word in split})
    longest = max(map(len, words), default=1)
    if longest > LONGEST_TOKEN:
        raise Unconvertible(f"its vocabulary has a token of {longest:,} characters")
    tokens, inverse, shape = _tokens(model, x, longest, set("".join(words)))
    if high == 1:
        keys = list(vocabulary)
        return _spread(
            look_up(tokens, keys, np.array([vocabulary[key] for key in keys], np.int64), size), inverse, shape
        )
    stop = model.get_stop_words()
    known = {word: place for place, word in enumerate(words)}
    count = len(words)
    if float(count) ** high > 2.0**62:
        raise Unconvertible("its n-grams of words have too many combinations")
    ids = _spread(look_up(tokens, words, np.arange(count), -1), inverse, shape)
    if stop:
        stops = _spread(look_up(tokens, sorted(stop), np.ones(len(stop), np.int64), 0), inverse, shape)
        ids = moved_behind(ids, stops)
    found = []
    for length in range(low, high + 1):
        terms = [term for term, split in parts.items() if len(split) == length]
        codes = [code_of([known[word] for word in parts[term]], count) for term in terms]
        if terms:
            numbers = np.array([vocabulary[term] for term in terms], np.int64)
            found.append(look_up(windows(ids, length, count), np.array(codes, np.int64), numbers, size))
    return np.concatenate(found, axis=1)


# -- tokens --------------------------------------------------------------------------------------------------------


def _tokens(
    model: Any, x: Frame, longest: int | None, characters: set[str] | None = None
) -> tuple[Array, Array, Array]:
    """The distinct tokens as in the vocabulary; the place of each token of each row among them; the rows' shape.

    Tokens longer than any known one become empty, which bounds the tables of words; where any
    token counts (`longest` is None), the run fails for one of more than `LONGEST_TOKEN` characters.
    """
    if model.preprocessor is not None or model.tokenizer is not None or callable(model.strip_accents):
        raise Unconvertible("it applies a custom function to texts")
    column = x.column(0)[0]
    if column.dtype != STRING or x.width != 1:
        raise Unconvertible("a text vectorizer receives something other than one column of text")
    pattern = token_pattern(model)
    raw = _tokenized(column[:, 0], tokenexp=pattern)
    padded = np.concatenate(
        [
            raw,
            (column[:, :1] == column[:, :1])
            .of(np.array([[""]], dtype=object))
            .emit("Expand", _rows_and(column, 1), shape=(None, 1)),
        ],
        axis=1,
    )
    shape = padded.emit("Shape", dtype=WHOLE, shape=(2,))
    names = padded.ravel().graph.node("Unique", [padded.ravel().name], 3, sorted=0)
    distinct = Array(x.graph, names[0], STRING, (None,))
    inverse = Array(x.graph, names[2], WHOLE, (None,))
    short = distinct.emit("RegexFullMatch", dtype="bool", pattern=f"(?s).{{0,{longest or LONGEST_TOKEN}}}")
    if longest is None:
        inverse = inverse + required((~short).astype(WHOLE), 1).take(inverse)
    distinct = np.where(short, distinct, "")
    table = character_table(lower=model.lowercase, accents=model.strip_accents, among=characters)
    sigma = model.lowercase and (characters is None or "ς" in characters)
    if table or sigma:
        distinct = _mapped(distinct, table, longest or LONGEST_TOKEN, sigma=sigma)
    return distinct, inverse, shape


def _tokenized(texts: Array, **how: Any) -> Array:
    """A row of tokens of each text, filled up with empty ones."""
    parts = {"mark": 0, "mincharnum": 1, "pad_value": "", **how}
    return texts.emit("Tokenizer", domain=MICROSOFT, dtype=STRING, shape=(None, None), **parts)


def _rows_and(column: Array, width: int) -> Array:
    rows = column.emit("Shape", dtype=WHOLE, shape=(1,), start=0, end=1)
    return np.concatenate([rows, rows.of(np.array([width], np.int64))])


def token_pattern(model: Any) -> str:
    """The pattern for onnxruntime's Tokenizer (RE2) that finds the same tokens as scikit-learn's."""
    word = _WITH_MARKS if model.strip_accents else WORD
    runs = _RUNS.fullmatch(model.token_pattern)
    if runs:
        least = len(runs[1]) // 2 + (int(runs[3]) if runs[3] else {"+": 1, "*": 0}[runs[2]])
        return f"{word}{{{max(least, 1)},}}"
    if _PLAIN.fullmatch(model.token_pattern) and not model.strip_accents:
        plain = model.token_pattern.removeprefix("(?u)")
        return f"(?i){plain}" if model.lowercase else str(plain)
    raise Unconvertible(f"the token pattern {model.token_pattern!r} has no counterpart")


def _mapped(tokens: Array, table: Mapping[str, str], longest: int, *, sigma: bool) -> Array:
    """Each token with its characters replaced by the table; with `sigma`, Σ is another letter at the end."""
    whole = _tokenized(tokens, separators=[""])
    last = np.where(tokens == tokens, "", tokens)[:, None]  # noqa: PLR0124 - one column of empty texts
    characters = np.concatenate([whole, last], axis=1)
    found = look_up(characters, list(table), list(table.values()), _SENTINEL)
    made = np.where(found == _SENTINEL, characters, found)
    if sigma:
        following = np.concatenate([characters[:, 1:], last], axis=1)
        first = np.concatenate([last == "", characters[:, :-1] == ""], axis=1)
        made = np.where((characters == "Σ") & (following == "") & ~first, "ς", made)
    return _put_together(made, last, longest)


def _put_together(characters: Array, empty: Array, longest: int) -> Array:
    """The rows of characters as texts, by repeatedly concatenating neighbours."""
    width = 1 << max(longest - 1, 1).bit_length()
    columns = empty.emit("Expand", np.array([1, width], np.int64), shape=(None, width))
    made = np.concatenate([characters, columns], axis=1)[:, :width]
    made = Array(made.graph, made.name, made.dtype, (None, width))
    while width > 1:
        made = made[:, np.arange(0, width, 2)].emit("StringConcat", made[:, np.arange(1, width, 2)])
        width //= 2
        made = Array(made.graph, made.name, made.dtype, (None, width))
    return made[:, 0]


def _spread(values: Array, inverse: Array, shape: Array) -> Array:
    """Values of the distinct tokens, at the place of each token of each row."""
    return values.take(inverse).emit("Reshape", shape, shape=(None, None))


def _without_stop_words(model: Any, tokens: Array, inverse: Array, shape: Array) -> Array:
    """The tokens of each row as texts; stop words are empty, and n-grams must not contain them."""
    stop = model.get_stop_words()
    if stop and model.ngram_range[1] > 1:
        raise Unconvertible("hashing of n-grams without stop words has no converter")
    if stop:
        tokens = np.where(look_up(tokens, sorted(stop), np.ones(len(stop), np.int64), 0) > 0, "", tokens)
    return _spread(tokens, inverse, shape)


def _joined(tokens: Array, lengths: tuple[int, int]) -> Array:
    """The n-grams as texts, empty where there is none."""
    low, high = lengths
    found = []
    window, there = tokens, tokens != ""
    for length in range(1, high + 1):
        if length > 1:
            following = tokens[:, length - 1 :]
            window = window[:, :-1].emit("StringConcat", text(tokens, " ")).emit("StringConcat", following)
            there = there[:, :-1] & (following != "")
        if length >= low:
            found.append(np.where(there, window, ""))
    return np.concatenate(found, axis=1)
