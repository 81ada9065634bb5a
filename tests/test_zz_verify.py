"""After everything the other tests did to the stack, every promise was kept: the last test of the run."""

import os
import subprocess

from native import Stack
from native.layout import PYTHON

WAIT_SECONDS = 60  # for the stack to come to rest


def test_every_invariant_holds_after_all_that_was_done_to_the_stack(stack: Stack) -> None:
    checked = subprocess.run(
        [PYTHON, "-m", "verify", "--wait", str(WAIT_SECONDS)],
        env={**os.environ, "STACK": stack.name},
        capture_output=True,
        text=True,
        timeout=2 * WAIT_SECONDS,
        check=False,
    )

    print(checked.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr
