"""Where a stack keeps its files. Everything it writes is below one directory, named after the stack."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from native.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
INFRA = CHECKOUT / "infra"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
DEFAULT_STACK = "quicksand"
SOCKET_PATH_BYTES = 107  # the kernel's limit for the name of a unix socket


@dataclass(frozen=True)
class Layout:
    """The directories of one stack."""

    root: Path

    @classmethod
    def of(cls, stack: str) -> "Layout":
        """The stack's place: QUICKSAND_STATE, or /var/lib for root, or the user's own state directory."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", stack):
            raise StackError(f"'{stack}' is no name for a stack: use up to 31 of a-z, 0-9 and '-'")
        layout = cls(_states() / stack)
        longest = layout.postgres_socket("primary") / ".s.PGSQL.65535"
        if len(os.fsencode(longest)) > SOCKET_PATH_BYTES:
            raise StackError(
                f"the state directory {layout.root} is too long for a socket: set QUICKSAND_STATE to a shorter one"
            )
        return layout

    @property
    def config(self) -> Path:
        """Rendered configuration; made anew by every `up`."""
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        """One file per component, rotated."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Generated passwords, mode 0700."""
        return self.root / "secrets"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens; only its user may."""
        return self.root / "supervisor.sock"

    def data(self, component: str) -> Path:
        """What the component keeps, and its working directory: that is how a left-over process is recognised."""
        return self.root / "data" / component

    def postgres_socket(self, node: str) -> Path:
        """The directory of the node's socket. Whoever may enter it is superuser, so it is mode 0700."""
        return self.root / "run" / node

    def log(self, component: str) -> Path:
        """The component's log file."""
        return self.logs / f"{component}.log"


def _states() -> Path:
    if chosen := os.environ.get("QUICKSAND_STATE"):
        return Path(chosen).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/quicksand")
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "quicksand"
