"""One load test at a time for each stack: two would measure each other, and neither would ever see it at rest."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.errors import LoadError


@contextmanager
def alone(stack: str) -> Iterator[None]:
    """Inside, no other process of this user loads this stack. Raises `LoadError` where somebody does already."""
    with (Path(tempfile.gettempdir()) / f"quicksand-load-{stack}-{os.getuid()}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LoadError(f"another load test of '{stack}' is under way: wait until it has ended") from None
        yield
