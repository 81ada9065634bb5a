"""The generated files: where they are and how they are written, one thing per line, so that a diff reads well."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DEFINITIONS = HERE.parent / "definitions.json"

Row = dict[str, Any]
Definitions = dict[str, list[Row]]


def read_definitions(path: Path = DEFINITIONS) -> Definitions:
    """The topology as generated. Raises `SystemExit` naming a file that is missing or broken."""
    try:
        definitions: Definitions = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise SystemExit(f"cannot read {path}: {error}; write it with python -m topology generate") from None
    return definitions


def vhosts_of(definitions: Definitions) -> list[str]:
    """The vhosts that the topology owns."""
    return [row["name"] for row in definitions["vhosts"]]


def users_of(definitions: Definitions) -> list[str]:
    """Everybody who has a permission anywhere."""
    return sorted({row["user"] for row in definitions["permissions"]})


def dump_definitions(definitions: Definitions) -> str:
    """RabbitMQ's definitions format, a row per line."""
    sections = []
    for name, rows in definitions.items():
        lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
        sections.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def dump_document(document: Row) -> str:
    """Any other JSON, indented."""
    return json.dumps(document, indent=2) + "\n"
