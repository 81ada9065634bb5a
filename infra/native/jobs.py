"""Programs that run once and must succeed. Their output goes to a log of their own and is shown only when they fail."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from native.errors import StackError
from native.layout import Layout
from native.processes import MARK

TIMEOUT_SECONDS = 120
TAIL_LINES = 8
TAIL_WIDTH = 300
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(layout: Layout) -> dict[str, str]:
    """What every process of the stack starts with: nothing of the caller's shell (proxies, PYTHON settings, QS_)."""
    return {
        "PATH": PATH,
        "HOME": str(layout.root),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        MARK: str(layout.root),
    }


def run(
    layout: Layout,
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    stdin: str = "",
) -> str:
    """Run the job and return what it printed. Raises `StackError` with the last lines of its output."""
    log = layout.log(name)
    with log.open("w") as output:
        try:
            finished = subprocess.run(  # noqa: S603  every command is put together in this package
                command,
                env=environment(layout) | dict(env or {}),
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
                cwd="/",  # the caller's directory may be closed to `user`
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        except subprocess.TimeoutExpired:
            raise StackError(f"{name} did not end within {TIMEOUT_SECONDS} s; see its log, {log}") from None
    if finished.returncode != 0:
        with log.open("a") as output:
            output.write(finished.stdout)
        raise StackError(f"{name} failed; correct what its log says ({log}), then: make up\n{tail(log)}")
    return finished.stdout


def tail(log: Path, *, since_bytes: int = 0) -> str:
    """The last lines written after `since_bytes`, cut and indented."""
    if not log.exists():
        return "    (it wrote nothing)"
    with log.open(errors="replace") as file:
        file.seek(since_bytes)
        lines = file.read().splitlines()[-TAIL_LINES:]
    return "\n".join(f"    {line[:TAIL_WIDTH]}" for line in lines) or "    (it wrote nothing)"


def owner(path: Path, user: str | None) -> None:
    """Give a directory to the user a server runs as."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is not None and os.geteuid() == 0:
        shutil.chown(path, user, user)
