"""python -m runtime <command>: the command of whichever stack runs under the name; `up` chooses, and says why.

Everything else on the command line goes on to `python -m compose` or `python -m native`.
"""

import os
import sys

from native.errors import StackError
from native.layout import CHECKOUT, DEFAULT_STACK
from runtime.choice import Runtime, for_down, for_up, kind, running

BOOTSTRAP = CHECKOUT / "infra" / "native" / "bootstrap"


def main() -> None:
    """Choose, and become that program."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    name = os.environ.get("STACK") or DEFAULT_STACK
    try:
        chosen = CHOICES.get(command, _as_it_runs)(name)
    except StackError as error:
        sys.exit(str(error))
    os.execv(sys.executable, [sys.executable, "-m", chosen, *sys.argv[1:]])  # noqa: S606  needs no shell


def _up(name: str) -> Runtime:
    chosen, why = for_up(name)
    print(f"{chosen}: {why}", flush=True)
    if chosen == "native" and os.spawnv(os.P_WAIT, str(BOOTSTRAP), [str(BOOTSTRAP)]):  # noqa: S606  our own program
        sys.exit(1)
    return chosen


def _as_it_runs(name: str) -> Runtime:
    return kind(running(name))


CHOICES = {"up": _up, "down": for_down}

if __name__ == "__main__":
    main()
