"""python -m runtime <command>: the command of whichever stack runs under the name; `up` chooses, and says why.

Everything else on the command line goes on to `python -m compose` or `python -m native`.
"""

import os
import sys

from native.errors import StackError
from native.layout import CHECKOUT, DEFAULT_STACK
from runtime import faults
from runtime.choice import Runtime, for_down, for_up, kind, running

BOOTSTRAP = CHECKOUT / "infra" / "native" / "bootstrap"


def main() -> None:
    """Choose, and become that program."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    name = os.environ.get("STACK") or DEFAULT_STACK
    try:
        if command in faults.COMMANDS and not any(word.startswith("-") for word in sys.argv[2:]):
            sys.exit(faults.perform(running(name), sys.argv[1:]))
        chosen = CHOICES.get(command, _as_it_runs)(name)
    except StackError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted: what was started goes on; look with: make status")
    os.execv(sys.executable, [sys.executable, "-m", chosen, *sys.argv[1:]])  # noqa: S606  needs no shell


def _up(name: str) -> Runtime:
    faults.forget(name)
    chosen, why = for_up(name)
    print(f"{chosen}: {why}", flush=True)
    if chosen == "native" and os.spawnv(os.P_WAIT, str(BOOTSTRAP), [str(BOOTSTRAP)]):  # noqa: S606  our own program
        sys.exit(1)
    return chosen


def _down(name: str) -> Runtime:
    faults.forget(name)
    return for_down(name)


def _as_it_runs(name: str) -> Runtime:
    return kind(running(name))


CHOICES = {"up": _up, "down": _down}

if __name__ == "__main__":
    main()
