"""What `python -m verify` says, asked as a person asks it."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from native.layout import CHECKOUT, PYTHON

CANNOT_CHECK = 2


@dataclass(frozen=True)
class Verdict:
    """The report: `findings` has, per invariant, everything that is wrong in words, with the names it concerns."""

    ok: bool
    findings: dict[int, dict[str, list[str]]]
    invariants: list[dict[str, Any]]

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Verdict":
        """From the report's JSON."""
        findings = {
            row["number"]: {finding["words"]: list(finding["names"]) for finding in row["findings"]}
            for row in document["invariants"]
        }
        return cls(document["ok"], findings, document["invariants"])

    @property
    def at_rest(self) -> bool:
        """Whether nothing was on its way any more."""
        return not self.findings[0]

    @property
    def red(self) -> set[int]:
        """The invariants that do not hold."""
        return {number for number, found in self.findings.items() if found}

    def counts(self, name: str) -> dict[str, int]:
        """What an invariant counted."""
        counts: dict[str, int] = next(row["counts"] for row in self.invariants if row["name"] == name)
        return counts

    def __str__(self) -> str:
        """Everything that is wrong, at most ten names each."""
        lines = [
            f"{number} {words}: {', '.join(names[:10])}"
            for number, found in self.findings.items()
            for words, names in found.items()
        ]
        return "\n".join(lines) or "every invariant holds"


async def verify(stack: str, told: Path, *, wait_seconds: float, explained: tuple[str, ...] = ()) -> Verdict:
    """Wait for rest and check all ten."""
    options = ["--stack", stack, "--wait", str(wait_seconds), "--told", str(told), "--json"]
    for id_ in explained:
        options += ["--explained", id_]
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "verify", *options),
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    print(err.decode(), end="")
    assert process.returncode != CANNOT_CHECK, err.decode()
    assert out, f"verify said nothing:\n{err.decode()}"
    return Verdict.of(json.loads(out))
