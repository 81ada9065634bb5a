"""What was found: per invariant the counts, and what is wrong with whom."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

NAMES_SHOWN = 10
INDENT = " " * 9


@dataclass(frozen=True)
class Finding:
    """One kind of thing that is wrong, in words, and everybody it concerns."""

    words: str
    names: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """For a terminal: the words, then the names, at most ten of them."""
        shown = [f"{INDENT}  {name}" for name in self.names[:NAMES_SHOWN]]
        if more := len(self.names) - NAMES_SHOWN:
            shown += [f"{INDENT}  +{more:,} more"] if more > 0 else []
        return [f"{INDENT}{self.words}:", *shown]


@dataclass
class Result:
    """One invariant. `counts` is what was looked at; `asked` is false where there was nothing to check it with."""

    number: int
    name: str
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    asked: bool = True
    remark: str = ""

    def blame(self, words: str, names: Iterable[object]) -> int:
        """Add what is wrong with these, if there are any. Returns how many they are."""
        named = tuple(sorted(map(str, names)))
        if named:
            self.findings.append(Finding(words, named))
        return len(named)

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.findings

    @property
    def lines(self) -> list[str]:
        """For a terminal."""
        mark = "RED " if not self.ok else "ok  " if self.asked else "--  "
        said = ", ".join(f"{count:,} {what}" for what, count in self.counts.items())
        remark = f" ({self.remark})" if self.remark and said else self.remark
        return [
            f"{mark} {self.number:>2}  {self.name}: {said}{remark}",
            *(line for finding in self.findings for line in finding.lines),
        ]

    @property
    def document(self) -> dict[str, Any]:
        """For a program; here every name is in it."""
        return {
            "number": self.number,
            "name": self.name,
            "ok": self.ok,
            "checked": self.asked,
            "counts": self.counts,
            "remark": self.remark,
            "findings": [{"words": finding.words, "names": finding.names} for finding in self.findings],
        }


@dataclass(frozen=True)
class Report:
    """All of it. `results[0]` is the rest that the others were checked at."""

    results: list[Result]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return all(result.ok for result in self.results)

    @property
    def violations(self) -> dict[int, int]:
        """By invariant, how many break it."""
        return {result.number: sum(len(found.names) for found in result.findings) for result in self.results}

    @property
    def lines(self) -> list[str]:
        """For a terminal, with a verdict at the end."""
        red = [str(result.number) for result in self.results if not result.ok]
        verdict = f"RED: {', '.join(red)}" if red else "every invariant holds"
        return [*(line for result in self.results for line in result.lines), f"{verdict} ({self.seconds:.1f} s)"]

    @property
    def document(self) -> dict[str, Any]:
        """For a program."""
        seconds = round(self.seconds, 3)
        return {"ok": self.ok, "seconds": seconds, "invariants": [result.document for result in self.results]}

    def of(self, number: int) -> Result:
        """The result of one invariant."""
        return next(result for result in self.results if result.number == number)
