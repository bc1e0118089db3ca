"""Writes docs/manifest.schema.json from the declarations that read and write it. Run it after changing one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwheel_loader.opening import manifest, schema
from modelwheel_loader.opening.names import is_normalized_name
from modelwheel_loader.opening.strictjson import (
    ANYTHING,
    Array,
    Choice,
    Integer,
    Kind,
    Nullable,
    Number,
    Object,
    Plain,
    Table,
    Text,
)
from modelwheel_loader.records import Key

PAGE = Path(__file__).parents[1] / "manifest.schema.json"
PATTERNS = {
    manifest.is_sha256: "^[0-9a-f]{64}$",
    is_normalized_name: "^[a-z0-9]+(-[a-z0-9]+)*$",
    manifest.is_method: "^[^\\W\\d_]\\w*$",
}
"""The rules of texts that a regular expression can say. The reader checks the others too."""


NAMES = {"string": str, "number": float, "boolean": bool}


def described(kind: Kind, definitions: dict[str, Any]) -> Any:
    """The JSON Schema of a kind of value; records become `definitions`."""
    match kind:
        case schema.TypeKind():
            return {"$ref": "#/$defs/type"}
        case manifest.Runtime():
            return {"oneOf": [described(payload, definitions) for payload in manifest.PAYLOADS.values()]}
        case manifest.Setting():
            plain = ["string", "number", "boolean", "null"]
            return {"type": [*plain, "array"], "items": {"type": plain}}
        case Object():
            return reference(kind, definitions)
        case Plain() if kind.types:
            names = [name for name, own in NAMES.items() if own in kind.types]
            return {"type": names[0] if len(names) == 1 else names}
        case Integer():
            return {"type": "number" if isinstance(kind, Number) else "integer", "minimum": kind.minimum}
        case Text():
            pattern = {} if kind.rule not in PATTERNS else {"pattern": PATTERNS[kind.rule]}
            return {"type": "string", "maxLength": kind.limit, **pattern}
        case Choice():
            return {"const": kind.choices[0]} if len(kind.choices) == 1 else {"enum": list(kind.choices)}
        case Nullable():
            return nullable(described(kind.kind, definitions))
        case Array():
            bounds = {"minItems": kind.least or None, "maxItems": kind.most, "uniqueItems": kind.distinct or None}
            bounds = {name: value for name, value in bounds.items() if value is not None}
            return {"type": "array", "items": described(kind.kind, definitions), **bounds}
        case Table():
            return {"type": "object", "additionalProperties": described(kind.kind, definitions)}
    return True


def nullable(found: dict[str, Any]) -> dict[str, Any]:
    """The schema of null, or of what `found` describes."""
    if isinstance(found.get("type"), str) and "const" not in found:
        return {**found, "type": [found["type"], "null"]}
    return {"anyOf": [found, {"type": "null"}]}


def reference(kind: Object, definitions: dict[str, Any]) -> dict[str, Any]:
    """A reference to the definition of a record."""
    name = kind.record.__name__
    if name not in definitions:
        definitions[name] = {}  # schemas are inside schemas
        definitions[name] = properties(kind.record.KEYS, definitions)
    return {"$ref": f"#/$defs/{name}"}


def properties(keys: Mapping[str, Key], definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an object with these keys."""
    made: dict[str, Any] = {}
    needed: list[str] = []
    inner: dict[str, dict[str, Key]] = {}
    for attribute, key in keys.items():
        name = key.name or attribute
        if key.within:
            inner.setdefault(key.within, {})[name] = Key(key.kind, None, "required", name, "")
            name = key.within
        else:
            found = described(key.kind, definitions)
            made[name] = found if key.presence == "required" or key.kind is ANYTHING else nullable(found)
        if key.presence == "required" and name not in needed:
            needed.append(name)
    for name, parts in inner.items():
        found = properties(parts, definitions)
        made[name] = found if name in needed else nullable(found)
    return {"type": "object", "required": needed, "properties": made}


def document() -> dict[str, Any]:
    """The JSON Schema of the manifest."""
    definitions: dict[str, Any] = {}
    whole = properties(manifest.Manifest.KEYS, definitions)
    nested = {name: properties(keys, definitions) for name, (_, keys) in schema.NESTED.items()}
    one = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": nested,
        "additionalProperties": False,
    }
    definitions["type"] = {"oneOf": [{"type": "string"}, one]}
    for payload in ("OnnxPayload", "NativePayload"):  # the methods of a graph are those of its outputs
        definitions[payload]["properties"].setdefault("methods", {"type": "array", "items": {"type": "string"}})
    definitions["Weight"]["properties"]["offset"]["multipleOf"] = manifest.ALIGNMENT
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:modelwheel:manifest:{manifest.FORMAT_MAJOR}",
        "title": "manifest.json of a modelwheel bundle",
        **whole,
        "required": ["format", *whole["required"]],
        "properties": {"format": {"const": manifest.FORMAT}, **whole["properties"]},
        "$defs": dict(sorted(definitions.items())),
    }


def lines(value: Any, indent: int = 0) -> str:
    """JSON, indented; what fits a line is on one."""
    flat = json.dumps(value)
    if len(flat) + indent < 110 or not isinstance(value, dict | list):
        return flat
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    made = [("" if name is None else f"{json.dumps(name)}: ") + lines(item, indent + 1) for name, item in pairs]
    inner = ",\n".join(" " * (indent + 1) + item for item in made)
    return f"{flat[0]}\n{inner}\n{' ' * indent}{flat[-1]}"


def text() -> str:
    """The page."""
    return lines(document()) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
