"""The command line: python -m load run smoke | verdict RUN | report RUN | compare A B | capacity --orders-per-day N.

Exit status of a run: 0 passed, 1 failed, 2 could not be made, 3 invalid (it proves nothing).
"""

import argparse
import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import asyncpg

from load import capacity, compare, results
from load.alone import alone
from load.compare import Side
from load.errors import LoadError
from load.plan import Plan
from load.profiles import PROFILES, named
from load.report import page
from load.run import RUNS, Wish, conclude, run
from load.target import Target
from load.verdict import EXIT, Verdict
from native.layout import DEFAULT_STACK
from verify.errors import CannotCheckError

CANNOT = 2


def main() -> None:
    """Do it; a mistake of the user's is one sentence and exit status 2."""
    arguments = _parser().parse_args()
    try:
        sys.exit(COMMANDS[arguments.command](arguments))
    except (LoadError, CannotCheckError) as error:
        print(error, file=sys.stderr)
        sys.exit(CANNOT)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        print(f"the stack cannot be looked at: {error or type(error).__name__}; see make status", file=sys.stderr)
        sys.exit(CANNOT)
    except KeyboardInterrupt:
        print("interrupted: what was placed goes on; look with: make verify", file=sys.stderr)
        sys.exit(CANNOT)


def _run(arguments: argparse.Namespace) -> int:
    profile = named(arguments.profile)
    wish = Wish(
        profile=profile,
        directory=_directory(arguments.id, profile.name),
        rate=arguments.rate,
        seconds=arguments.duration,
        seed=arguments.seed,
    )
    target = Target.find(arguments.stack)
    with alone(arguments.stack):
        return _told(asyncio.run(run(target, wish)), wish.directory.name)


def _verdict(arguments: argparse.Namespace) -> int:
    directory = _existing(arguments.run)
    target = Target.find(arguments.stack or Plan.read(directory / "plan.json").stack)
    found = results.read(directory) | results.figures(directory)
    return _told(asyncio.run(conclude(target, directory, found)), arguments.run)


def _told(verdict: Verdict, name: str) -> int:
    print("\n".join(verdict.lines))
    if Plan.read(RUNS / name / "plan.json").stopping:
        print(results.knee_in_words(results.read(RUNS / name)["steps"]))
    _report(argparse.Namespace(run=name))
    return EXIT[verdict.outcome]


def _directory(wanted: str | None, profile: str) -> Path:
    name = wanted or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{profile}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}", name):
        raise LoadError(f"'{name}' is no name for a run: use up to 40 of A-Z, a-z, 0-9, '.' and '-'")
    if (RUNS / name).exists():
        raise LoadError(f"there is a run '{name}' already: choose another ID, or delete {RUNS / name}")
    return RUNS / name


def _existing(name: str) -> Path:
    directory = RUNS / name
    if not (directory / results.FILE).is_file():
        known = ", ".join(sorted(file.parent.name for file in RUNS.glob(f"*/{results.FILE}"))[-5:]) or "none yet"
        raise LoadError(f"there is no finished run '{name}' in {RUNS}; the latest are: {known}")
    return directory


def _report(arguments: argparse.Namespace) -> int:
    print(f"report: {page.write(_existing(arguments.run))}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    a, b = (Side(names, tuple(map(_existing, names.split(",")))) for names in (arguments.a, arguments.b))
    rows = compare.compare(a, b)
    print("\n".join(compare.lines(rows, a, b)))
    file = RUNS / f"compare-{a.directories[0].name}-{b.directories[0].name}.html"
    file.write_text(compare.page(rows, a, b))
    print(f"report: {file}")
    return 0


def _capacity(arguments: argparse.Namespace) -> int:
    directory = _existing(arguments.run) if arguments.run else _latest("steady", "smoke")
    print("\n".join(capacity.lines(directory, arguments.orders_per_day, arguments.peak_factor)))
    return 0


def _latest(*profiles: str) -> Path:
    """The newest run, of the first of these profiles that has one."""
    finished = sorted((file.parent for file in RUNS.glob(f"*/{results.FILE}")), key=lambda d: d.stat().st_mtime)
    for profile in profiles:
        for directory in reversed(finished):
            if Plan.read(directory / "plan.json").profile == profile:
                return directory
    raise LoadError("there is no run to count with: make load PROFILE=steady")


COMMANDS = {"run": _run, "verdict": _verdict, "report": _report, "compare": _compare, "capacity": _capacity}


class Parser(argparse.ArgumentParser):
    """A mistake is one sentence, without the list of all options before it."""

    def error(self, message: str) -> NoReturn:
        """End with it."""
        self.exit(CANNOT, f"{message}: see {self.prog} --help\n")


def _parser() -> Parser:
    parser = Parser(prog="python -m load", description="Load tests: docs/load-testing.md.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    runs = commands.add_parser("run", help=f"one run of a profile: {', '.join(PROFILES)}")
    runs.add_argument("profile")
    runs.add_argument(
        "--rate", type=_positive, help="orders a second to begin with (a share of what is measured before)"
    )
    runs.add_argument("--duration", type=_positive, help="seconds that all of it shall take")
    runs.add_argument("--seed", default="1", help="the same seed, the same visitors (1)")
    runs.add_argument("--id", help="the run's name (its time and profile)")
    runs.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="its name (env STACK)")
    again = commands.add_parser("verdict", help="judge a run anew, by what its stack holds now")
    again.add_argument("run")
    again.add_argument("--stack", help="its name (the run's)")
    report = commands.add_parser("report", help="write a run's report anew")
    report.add_argument("run")
    both = commands.add_parser("compare", help="two runs, or two sets of repeats: one,two,three")
    both.add_argument("a")
    both.add_argument("b")
    estimate = commands.add_parser("capacity", help="what so many orders a day would need")
    estimate.add_argument("--orders-per-day", type=_positive, required=True)
    estimate.add_argument("--peak-factor", type=_positive, default=4, help="the busiest second, in averages (4)")
    estimate.add_argument("--run", help="whose costs to count with (the latest steady run)")
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


if __name__ == "__main__":
    main()
