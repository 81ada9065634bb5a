"""The real provider for tests: a process of its own on a free loopback port, to be killed and started again at will."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

START_LIMIT_SECONDS = 20
STOP_LIMIT_SECONDS = 20


class RunningProvider:
    """A context manager: running inside, stopped after. `data_dir` outlives a kill and a start."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ledger_file = data_dir / "ledger.sqlite3"
        self._settings = {"QS_HTTP_PORT": str(self.port), "QS_DATA_DIR": str(data_dir)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The process id of the running provider."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._process = subprocess.Popen([sys.executable, "-m", "provider"], env=environment(self._settings))
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("the provider did not start; its output says why")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: no time to clean up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(STOP_LIMIT_SECONDS)
        self._process = None
        return status

    def _serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):  # noqa: S310  our own address
                return True
        except (urllib.error.URLError, OSError):
            return False


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings instead of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QS_") and name != "ENVIRONMENT"}
    return {**kept, **settings}


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
