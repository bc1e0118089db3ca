from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

import modelwheel
import shape
from doc_blocks import blocks, matches, run_page
from modelwheel_loader.show.codes import CODES
from test_architecture import CAPS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RUNNABLE = [page for page in PAGES if any(block.language in ("python", "console") for block in blocks(page))]
KNOWN = {"python", "console", "text", "json", "toml", ""}


@pytest.mark.usefixtures("index", "fresh_replay")  # what people see: packing asks for a lock, and replays elsewhere
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    differences = list(run_page(page, tmp_path))
    assert not differences, "\n\n".join(differences)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_has_a_language_that_is_run_or_shown(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= KNOWN


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {re.sub(r"[ ]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), target


def test_every_code_is_explained() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, (cause, cure) in CODES.items():
        assert f"`{code}` | {cause} | {cure} |" in text, f"run docs/tools/write_error_docs.py: {code}"


def keys_of(schema: object) -> Iterator[str]:
    """Every key that an object of the manifest may have."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                yield from value
            yield from keys_of(list(value.values()) if name == "properties" else value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keys_of(value)


def test_the_schema_of_the_manifest_is_a_schema_and_format_md_names_every_key() -> None:
    schema = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    text = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    keys = set(keys_of(schema))
    assert {"format", "members", "spans", "null_text"} <= keys
    for key in keys:
        assert f"`{key}`" in text, key


def test_the_schema_of_the_manifest_is_what_the_declarations_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    written = importlib.import_module("write_manifest_schema").text()
    text = (ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8")
    assert text == written, "run docs/tools/write_manifest_schema.py"


def test_the_page_on_opening_leads_through_every_file_and_states_the_bound() -> None:
    text = (ROOT / "docs" / "opening.md").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "modelwheel_loader" / "opening").glob("*.py"):
        assert path.name == "__init__.py" or f"`opening/{path.name}`" in text, path.name
    for name in shape.BASE:
        assert f"`{name}.py`" in text, name
    most_lines, most_files = CAPS["base + opening"]
    assert f"at most {most_lines:,} lines in {most_files} files" in text


def test_the_runner_sees_differences() -> None:
    assert matches("a … c\n…\nend", "a b c\nx\ny\nend\n")
    assert not matches("a … c", "a b d\n")


def test_the_reference_has_every_public_name() -> None:
    listed = set(re.findall(r"^::: (\S+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE))
    for name in modelwheel.__all__:
        value = getattr(modelwheel, name)
        place = value.__name__ if isinstance(value, ModuleType) else f"{value.__module__}.{value.__qualname__}"
        place = place.replace("modelwheel.errors", "modelwheel_loader.errors")
        place = place.replace("modelwheel.types", "modelwheel_loader.opening.types")
        assert place in listed or place.rpartition(".")[0] in listed, place


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if f"- {page}\n" not in navigation], "add it to the nav of mkdocs.yml"
