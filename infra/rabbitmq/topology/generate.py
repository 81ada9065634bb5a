"""Writes what is generated, or shows how the committed files differ from what would be written."""

import difflib
from pathlib import Path

from chassis.settings import ServiceSettings
from topology import asyncapi, definitions
from topology.contracts import load, refuse_contradictions
from topology.files import DEFINITIONS, HERE, dump_definitions, dump_document

ASYNCAPI = HERE.parents[2] / "docs" / "asyncapi.json"
SHOWN_LINES = 20


def default_partitions() -> int:
    """As many as the services use when nobody tells them otherwise."""
    partitions: int = ServiceSettings.model_fields["partitions"].default
    return partitions


def render(partitions: int) -> dict[Path, str]:
    """Every generated file and its text. Raises `ContractError` if the contracts do not fit together."""
    contracts = load()
    refuse_contradictions(contracts)
    return {
        DEFINITIONS: dump_definitions(definitions.build(contracts, partitions)),
        ASYNCAPI: dump_document(asyncapi.build(contracts, partitions)),
    }


def drift(file: Path, text: str) -> list[str]:
    """The lines in which a file differs from what it should be; `-` is in the file and should not be."""
    found = file.read_text() if file.is_file() else ""
    lines = difflib.unified_diff(found.splitlines(), text.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def run(partitions: int, *, check: bool) -> int:
    """Write the files, or compare them. Returns the exit status."""
    status = 0
    for file, text in render(partitions).items():
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            continue
        lines = drift(file, text)
        if lines:
            status = 1
            print(f"{file.name} does not match the services' events: run python -m topology generate")
            print("\n".join(f"  {line}" for line in lines[:SHOWN_LINES]))
            if len(lines) > SHOWN_LINES:
                print(f"  and {len(lines) - SHOWN_LINES} more lines")
    return status
