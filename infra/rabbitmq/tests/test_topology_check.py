"""infra/rabbitmq/check finds the broker and the passwords of whichever stack runs."""

import os
import subprocess
from pathlib import Path

import pytest

from native.layout import INFRA
from native.passwords import RABBITMQ_USERS


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that answers for the stack, and shows what the check itself is given."""
    secrets = tmp_path / "the secrets" / "rabbitmq"
    secrets.mkdir(parents=True)
    for user in RABBITMQ_USERS:
        (secrets / user).write_text(f"dev-only-{user}\n")
    program = tmp_path / "python"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
    "-m runtime env") echo "export QUICKSAND_SECRETS='{secrets.parent}' AMQP_ADDRESS=127.0.0.1:8086" ;;
    "-m topology check")
        echo "$QS_BROKER_HOST $QS_BROKER_PORT $QS_SECRETS_DIR"
        cd "$QS_SECRETS_DIR"
        head -n 1 *
        exit 1 ;;
esac
"""
    )
    program.chmod(0o755)
    return program


def check(python: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(python), **variables}
    return subprocess.run([INFRA / "rabbitmq" / "check"], env=environment, capture_output=True, text=True, check=False)


def test_it_asks_the_stack_that_runs_and_leaves_nothing(python: Path, tmp_path: Path) -> None:
    done = check(python, TMPDIR=str(tmp_path))
    first, *rest = done.stdout.splitlines()
    host, port, directory = first.split(maxsplit=2)
    assert (host, port, done.stderr) == ("127.0.0.1", "8086", "")
    assert {line for line in rest if line.startswith("==>")} == {f"==> {user}_password <==" for user in RABBITMQ_USERS}
    assert {f"dev-only-{user}" for user in RABBITMQ_USERS} <= set(rest)
    assert done.returncode == 1  # the check's own
    assert not Path(directory).exists()


def test_it_asks_nobody_where_it_is_told(python: Path, tmp_path: Path) -> None:
    done = check(python, QS_SECRETS_DIR=str(tmp_path), QS_BROKER_HOST="rabbitmq", QS_BROKER_PORT="5672")
    assert done.stdout.startswith(f"rabbitmq 5672 {tmp_path}\n")
    assert tmp_path.exists()
