"""Passed, failed or invalid: the gates of the profile, the invariants, and whether the generator can be believed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from load.profiles import Gates
from load.results import saturated

Outcome = Literal["passed", "failed", "invalid"]
EXIT: Mapping[Outcome, int] = {"passed": 0, "failed": 1, "invalid": 3}


@dataclass(frozen=True)
class Check:
    """One gate: what was asked for and what was found."""

    name: str
    wanted: str
    found: str
    ok: bool


@dataclass(frozen=True)
class Verdict:
    """`doubts`: why the run proves nothing, however its checks came out. A broken invariant fails it all the same."""

    checks: list[Check]
    doubts: list[str]
    broken: list[str]

    @property
    def outcome(self) -> Outcome:
        """In a word."""
        if self.broken:
            return "failed"
        if self.doubts:
            return "invalid"
        return "passed" if all(check.ok for check in self.checks) else "failed"

    @property
    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for check in self.checks:
            yield f"{'ok  ' if check.ok else 'RED '}  {check.name:42}{check.found:>12}   wanted: {check.wanted}"
        yield from (f"RED   {words}" for words in self.broken)
        yield from (f"invalid: {doubt}" for doubt in self.doubts)
        yield self.outcome

    @property
    def document(self) -> dict[str, Any]:
        """For results.json."""
        checks = [vars(check) for check in self.checks]
        return {"outcome": self.outcome, "checks": checks, "doubts": self.doubts, "broken": self.broken}


def judge(gates: Gates, results: dict[str, Any], verified: dict[str, Any] | None) -> Verdict:
    """`verified` is what `verify --json` said; `None` where it could not check."""
    doubts = []
    generator = results["generator"]
    if generator["dropped"] and not gates.drops:
        doubts.append(f"{generator['dropped']} visitors were dropped: the generator could not keep up")
    if not gates.drops and (words := saturated(generator)):
        doubts.append(words)
    if not results["requests"]:
        doubts.append("no request was sent")
    if verified is None:
        doubts.append("verify could not check the invariants")
    return Verdict(list(_checks(gates, results)), doubts, list(_broken(verified)))


def _checks(gates: Gates, results: dict[str, Any]) -> Iterator[Check]:
    yield _share("requests with 5xx or without an answer", gates.errors, results["errors"])
    if gates.refused is not None:
        yield _share("requests refused (429, 503)", gates.refused, results["refused"])
    if gates.rejected is not None:
        yield _share("orders rejected (4xx but 429)", gates.rejected, results["rejected"])
    for name, what, key, most in (
        ("placing an order, p95", "place", "p95", gates.place_p95),
        ("placing an order, p99", "place", "p99", gates.place_p99),
        ("completing an order, p95", "complete", "p95", gates.complete_p95),
    ):
        if most is not None:
            yield _seconds(name, most, results[what].get(key))
    yield _seconds("until the backlog is gone", gates.backlog, results["backlog_seconds"])
    lost = results["lost_reads"]
    yield Check("own orders not found after 202", "0", str(lost), lost == 0)


def _share(name: str, most: float, found: float) -> Check:
    return Check(name, f"at most {most:.1%}", f"{found:.2%}", found <= most)


def _seconds(name: str, most: float, found: float | None) -> Check:
    shown = "never" if found is None else f"{found:.3f} s"
    return Check(name, f"at most {most:g} s", shown, found is not None and found <= most)


def _broken(verified: dict[str, Any] | None) -> Iterator[str]:
    for row in verified["invariants"] if verified else ():
        for finding in row["findings"]:
            names = finding["names"]
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            yield f"invariant {row['number']} ({row['name']}): {finding['words']}: {', '.join(names[:5])}{more}"
