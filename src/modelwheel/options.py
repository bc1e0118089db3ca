"""The small records in which options travel to `pack`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["sample", "given", "synthetic", "none"]
NativeFormat = Literal["auto", "skops"]
Replay = Literal["fresh", "here"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """The golden examples: recorded inputs, replayed wherever the bundle is verified.

    `source` is `sample` (a spread of real rows: think of whose they are), `given` (those in `data`, of the same kind
    as the sample), `synthetic` (values made up within what the sample showed) or `none`.
    """

    rows: int = 16
    source: Source = "sample"
    data: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What to pack and where limits lie.

    `methods` are the prediction methods to keep (None: all that the model has); `runtimes` the ones to make, in the
    order in which `load` tries them; `overwrite` replaces a file of the same version that has other content;
    `categories` is how many different values a categorical column may have for them to be stored. `measure_cost`
    records how long each runtime takes to open, for one row and for many, so that `load(…, prefer=…)` can choose and
    `explain` can tell; two packings then differ in these numbers.

    `native="skops"` keeps a scikit-learn model as a skops file, not as a pickle: loading it builds objects of classes
    that the bundle lists, and of no others. `auto` is the framework's own file format, where it has one, else a pickle.

    `replay="fresh"` replays the golden examples once in an interpreter of its own: in another folder, without the
    modules and files of this process, with another number of rows as well. `here` leaves that out, and the report says
    so.
    """

    methods: tuple[str, ...] | None = None
    runtimes: tuple[str, ...] = ("onnx", "native")
    overwrite: bool = False
    categories: int = 1000
    measure_cost: bool = False
    native: NativeFormat = "auto"
    replay: Replay = "fresh"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """What the model runs on. `pack` finds it out; these are the author's words over what was found.

    `add`, `drop` and `replace` hold requirements (`"acme-features>=1.2"`), names (`"pandas"`), and names with the
    requirement in their place (`{"opencv-python": "opencv-python-headless>=4"}`). A distribution that was installed
    from a folder, and is added, can be got from an index by others: its code does not travel with the model.

    `code` are Python files and packages (folders) whose source travels in the bundle, and is importable where it is
    loaded; other local code is packed by value, which binds the bundle to one minor version of Python.

    `lock`: `auto` makes a lock when uv or pip can within `lock_timeout` seconds, and says why when there is none;
    `required` fails without one; `none` asks no index; the `pathlib.Path` of a `pylock.toml` takes that one. Packages
    are resolved by the index for which uv and pip are set up on this machine; `find_links` are folders of wheels to
    look into as well, and `no_index` looks nowhere else.
    """

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str | os.PathLike[str], ...] = ()
    lock: Literal["auto", "required", "none"] | os.PathLike[str] = "auto"
    lock_timeout: float = 30.0
    find_links: tuple[str | os.PathLike[str], ...] = ()
    no_index: bool = False
