"""What a component is to the supervisor: a program with a command, an environment and a test for being ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

Check = Callable[[], bool]


@dataclass(frozen=True)
class Program:
    """One supervised process. `ready` tells, without waiting, whether it serves; `waits_for` says that in words."""

    name: str
    command: tuple[str, ...]
    waits_for: str
    ready: Check
    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    files: tuple[Path, ...] = ()  # configuration and code; a change of them restarts the component at the next `up`

    def fingerprint(self) -> str:
        """Changes when one of `files` does."""
        digest = sha256()
        for place in self.files:
            for file in sorted(place.rglob("*.*")) if place.is_dir() else [place]:
                if file.is_file() and file.suffix != ".pyc":
                    digest.update(file.read_bytes())
        return digest.hexdigest()[:16]
