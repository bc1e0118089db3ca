r"""N-grams as numbers, of words and of characters, and the characters of vectorizers (`analyzer="char"`, `"char_wb"`).

Each text becomes the places of its characters in the alphabet of the vocabulary; those in a window are the digits of a
number, which is looked up. White space is what Python's `\s` matches. Characters are lowered one by one: İ and a Σ at
the end of a word differ from `str.lower`, and parity shows where that matters.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from ..arrays import WHOLE, Array
from ..frames import Frame
from ..graph import MICROSOFT, STRING
from ..numpy_names import np
from ..result import Unconvertible
from ..steps import look_up

_BLANK = " "


def character_ids(model: Any, x: Frame, vocabulary: Mapping[str, int]) -> Array:
    """The place in the vocabulary of each n-gram, of shape (rows, n-grams); its size for those that are not there."""
    if model.preprocessor is not None or model.strip_accents is not None:
        raise Unconvertible("it strips accents, or applies a function, before it splits texts into characters")
    column = x.column(0)[0]
    if column.dtype != STRING or x.width != 1:
        raise Unconvertible("a text vectorizer receives something other than one column of text")
    counted = [term for term in vocabulary if _is_counted(term, model)]
    if not counted:
        raise Unconvertible("no term of its vocabulary can occur")
    alphabet = sorted({_BLANK}.union(*counted))
    base, places = len(alphabet), {character: place for place, character in enumerate(alphabet)}
    if float(base) ** max(map(len, counted)) > 2.0**62:
        raise Unconvertible("its n-grams of characters have too many combinations")
    of_words = model.analyzer == "char_wb"
    ids = (_of_words if of_words else _of_text)(_characters(column), _table(model, places), places[_BLANK])
    found = []
    for length in sorted(set(map(len, counted))):
        terms = [term for term in counted if len(term) == length]
        seen = _within_words(ids, length, base, places[_BLANK]) if of_words else windows(ids, length, base)
        keys = np.array([code_of([places[character] for character in term], base) for term in terms], np.int64)
        found.append(look_up(seen, keys, np.array([vocabulary[term] for term in terms], np.int64), len(vocabulary)))
    return np.concatenate(found, axis=1)


def _is_counted(term: str, model: Any) -> bool:
    """Whether the vectorizer makes such n-grams. A word shorter than they are is one n-gram, with its blanks."""
    least, most = model.ngram_range
    short = model.analyzer == "char_wb" and 2 < len(term) < least and term[0] == term[-1] == _BLANK
    return bool(least <= len(term) <= most or short)


def _characters(column: Array) -> Array:
    """The characters of each text, and empty texts behind them: one at least."""
    texts = column[:, 0]
    whole = texts.emit(
        "Tokenizer",
        domain=MICROSOFT,
        dtype=STRING,
        shape=(None, None),
        mark=0,
        mincharnum=1,
        pad_value="",
        separators=[""],
    )
    return np.concatenate([whole, _filled(texts, "")], axis=1)


def _filled(texts: Array, value: str) -> Array:
    """A constant text as a column."""
    return np.where(texts == texts, value, texts)[:, None]  # noqa: PLR0124


def _table(model: Any, places: Mapping[str, int]) -> dict[str, int]:
    """The place in the alphabet of each character, unchanged or lowered."""
    lowered = character_table(lower=model.lowercase, accents=None, among=set(places))
    return {**places, **{character: places.get(made, -1) for character, made in lowered.items()}}


def _placed(characters: Array, table: Mapping[str, int]) -> Array:
    return look_up(characters, list(table), np.array(list(table.values()), np.int64), -1)


def _of_text(characters: Array, table: Mapping[str, int], blank: int) -> Array:
    """The places of the characters of each text, in which two and more of white space are one blank."""
    space = _is_one_of(characters, _spaces())
    none = space[:, :1] * 0
    before = np.concatenate([none, space[:, :-1]], axis=1)
    after = np.concatenate([space[:, 1:], none], axis=1)
    ids = np.where(space * after > 0, np.int64(blank), _placed(characters, table))
    return moved_behind(ids, space * before)


def _of_words(characters: Array, table: Mapping[str, int], blank: int) -> Array:
    """The places of the characters of each text, with one blank before, between and behind its words."""
    characters = np.concatenate([_filled(characters[:, 0], _BLANK), characters], axis=1)
    space = _is_one_of(characters, [*_spaces(), ""])
    before = np.concatenate([space[:, :1] * 0, space[:, :-1]], axis=1)
    ids = np.where(space > 0, np.int64(blank), _placed(characters, table))
    return moved_behind(ids, space * before)


def _within_words(ids: Array, length: int, base: int, blank: int) -> Array:
    """The code of each window that lies in one word; -1 for others. A blank belongs to two words, and counts twice."""
    if length == 1:
        behind = ids[:, 1:]
        return np.concatenate([behind, np.where(behind == np.int64(blank), behind, np.int64(-1))], axis=1)
    codes = windows(ids, length, base)
    if length == 2:
        return codes
    blanks = (ids == np.int64(blank)).astype(WHOLE)
    padded = np.concatenate([blanks, np.full((1, length - 1), 0) + blanks[:, :1] * 0], axis=1)
    inner = sum(padded[:, start : start - length + 1] for start in range(1, length - 1))
    return np.where(inner > 0, np.int64(-1), codes)


def _is_one_of(characters: Array, wanted: list[str]) -> Array:
    return look_up(characters, wanted, np.ones(len(wanted), np.int64), 0)


@functools.cache
def _spaces() -> list[str]:
    return [chr(code) for code in range(0x10000) if re.match(r"\s", chr(code))]


@functools.cache
def _lowered() -> dict[str, str]:
    """The characters that `str.lower` changes; İ becomes the i with which `str.lower` begins."""
    changed = {chr(code): chr(code).lower() for code in range(0x110000) if chr(code) != chr(code).lower()}
    return {character: lower[0] for character, lower in changed.items()}


@functools.cache
def _stripped(kind: str) -> dict[str, str]:
    """The characters that scikit-learn's accent functions change."""
    from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

    strip = strip_accents_ascii if kind == "ascii" else strip_accents_unicode
    changed = {}
    for code in range(0x80, 0x110000):
        character = chr(code)
        if 0xD800 <= code < 0xE000 or not (
            unicodedata.decomposition(character) or kind == "ascii" or unicodedata.combining(character)
        ):
            continue
        made = strip(character)
        if made != character:
            changed[character] = made
    return changed


def character_table(*, lower: bool, accents: str | None, among: set[str] | None) -> dict[str, str]:
    """The replacement of each character; with `among`, only where it can lead to a text of these characters."""
    table = dict(_lowered()) if lower else {}
    if accents:
        stripped = _stripped(accents)
        for character, lowered in table.items():
            table[character] = "".join(stripped.get(one, one) for one in lowered)
        table |= {character: made for character, made in stripped.items() if character not in table}
    if among is not None:
        table = {one: made for one, made in table.items() if set(made) <= among or one in among}
    return table


# --- n-grams as numbers: the places of their parts are the digits ---


def code_of(places: Iterable[int], base: int) -> int:
    """The number whose digits to `base` are these places."""
    return functools.reduce(lambda total, place: total * base + place, places, 0)


def windows(ids: Array, length: int, base: int) -> Array:
    """The code of the words in each window; -1 where one of them is unknown."""
    if length == 1:
        return ids
    padded = np.concatenate([ids, np.full((1, length - 1), -1) + ids[:, :1] * 0], axis=1)
    total: Any = None
    known: Any = None
    for start in range(length):
        part = padded[:, start : start - length + 1 or None]
        total = part if total is None else total * np.int64(base) + part
        known = part >= 0 if known is None else known & (part >= 0)
    return np.where(known, total, np.int64(-1))


def moved_behind(ids: Array, stops: Array) -> Array:
    """The words with all stop words moved to the end of the row, where they count as unknown."""
    width = ids.emit("Shape", dtype=WHOLE, shape=(1,), start=1, end=2)
    order = (ids * 0 + np.int64(1)).emit("CumSum", np.array(1, np.int64)) + stops * width
    names = ids.graph.node("TopK", [order.name, width.name], 2, axis=1, largest=0, sorted=1)
    places = Array(ids.graph, names[1], WHOLE, ids.shape)
    return np.where(stops > 0, np.int64(-1), ids).emit("GatherElements", places, axis=1)
