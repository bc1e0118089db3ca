"""Text from bundles and data, made safe to print: no terminal escapes, no bidirectional overrides, no novels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

# C0 and C1 controls, the line and paragraph separators, and every character that changes writing direction or is
# invisible (Unicode's Bidi_Control and zero-width characters): text from a file must not rewrite what a reader sees.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def safe(text: str) -> str:
    """`text` with every control, direction and invisible character written as its escape."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_UNSAFE, lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def without_secrets(text: str) -> str:
    """`text` of a tool without what its addresses hold of users, passwords and signatures."""
    text = re.sub(r"//[^/\s]*@", "//…@", text)
    return re.sub(r"(://[^\s?]*)\?[^\s'\"<>)]+", r"\1?…", text)


def safe_json(text: str) -> str:
    """JSON text with every such character written as JSON's escape: the same values, and safe to print."""
    if text.isascii() and "\x7f" not in text:  # JSON has escaped those below the blank itself; indents are line breaks
        return text
    return re.sub(_UNSAFE, _json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == ord("\n"):
        return "\n"
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def clip(text: object, limit: int = 60) -> str:
    """`text` made safe and at most `limit` characters long; what is cut is marked with `…`."""
    whole = text if isinstance(text, str) else _said(text)
    cleaned = safe(whole[: limit + 1])
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def _said(value: object) -> str:
    """The text of anything; exceptions of foreign code may fail to say what happened."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the border to foreign code
        return f"a {type(value).__qualname__} without a text"


def counted(count: int, noun: str) -> str:
    """How many there are, for people: `1 row`, `2,000 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shown(value: object, limit: int = 60) -> str:
    """A bounded, safe piece of a value of the caller's data, with its type when that is not plain from the text.

    Never calls the `repr` of a type that is not a plain scalar: it may be slow, huge or raise.
    """
    if value is None or isinstance(value, bool | int | float):
        # int → str is quadratic and bounded by the interpreter; a long one is named by its size instead
        if isinstance(value, int) and value.bit_length() > 256:
            return f"an integer of {value.bit_length()} bits"
        return clip(
            float.__repr__(value) if type(value) is not float and isinstance(value, float) else repr(value), limit
        )
    if isinstance(value, str):
        return clip(repr(str(value[: limit + 1])), limit)
    if isinstance(value, bytes):
        return clip(repr(bytes(value[:limit])), limit)
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        size = f" of length {len(value)}"  # type: ignore[arg-type]
    except TypeError:
        size = ""
    return clip(f"a {name}{size}", limit)


# The nearest of several texts, for "did you mean …?". Bounded work, however many candidates there are.


_CANDIDATES = 200
_LONGEST = 100


def nearest(wanted: object, candidates: Iterable[object], hint: str = "did you mean {}?") -> str:
    """`hint` with the candidate most like `wanted` in it; empty when none is near."""
    import difflib

    texts = [str(candidate)[:_LONGEST] for candidate in islice(candidates, _CANDIDATES)]
    close = difflib.get_close_matches(str(wanted)[:_LONGEST], texts, n=1)
    return hint.replace("{}", repr(clip(close[0], 40))) if close else ""
