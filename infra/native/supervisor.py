"""supervisord: restarts what dies, rotates what is logged, and is told over its own socket what to start and stop."""

import http.client
import os
import resource
import socket
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from native.errors import StackError
from native.jobs import run
from native.layout import PYTHON, Layout
from native.program import Program

RUNS = ("RUNNING", "STARTING")
SETTLED = ("STOPPED", "FATAL")
ALREADY_STARTED, NOT_RUNNING = 60, 70  # supervisor's fault codes
OPEN_FILES = 16384
START_TIMEOUT_SECONDS = 15.0


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        path = str(self._path)

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX)
                try:
                    self.sock.connect(path)
                except OSError:
                    self.sock.close()
                    raise

        # The base class closes what it finds here.
        self._connection = host, Connection("localhost")
        return self._connection[1]


class Supervisor:
    """A stack's supervisord."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.config = layout.config / "supervisord.conf"

    def _call(self, method: str, *arguments: object) -> Any:
        with xmlrpc.client.ServerProxy("http://localhost", _UnixTransport(self._layout.supervisor_socket)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _tell(self, method: str, name: str) -> None:
        """Start or stop without waiting; that somebody else just did the same is what was wanted."""
        try:
            self._call(method, name, False)  # noqa: FBT003  the protocol knows no names
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in (ALREADY_STARTED, NOT_RUNNING):
                raise

    def pid(self) -> int | None:
        """Its process id, or `None` where none answers."""
        try:
            return int(self._call("getPID"))
        except OSError:
            return None

    def processes(self) -> dict[str, dict[str, Any]]:
        """What supervisord knows of each component: statename, pid, start, stop, now, spawnerr."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def process(self, name: str) -> dict[str, Any]:
        """The same of one component; an empty state where it does not exist."""
        return self.processes().get(name, {"statename": "", "pid": 0})

    def start_daemon(self) -> None:
        """Start supervisord itself."""
        run(self._layout, "supervisord-start", [PYTHON, "-m", "supervisor.supervisord", "-c", self.config])
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.pid() is None:
            if time.monotonic() > deadline:
                raise StackError(f"supervisord does not answer: read {self._layout.log('supervisord')}")
            time.sleep(0.05)

    def update(self) -> set[str]:
        """Take over a changed configuration; returns the components that are new or changed, not yet started."""
        added, changed, removed = self._call("reloadConfig")[0]
        self.stop([*changed, *removed])
        for name in [*changed, *removed]:
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)
        return {*added, *changed}

    def start(self, name: str) -> int:
        """Start one component without waiting for it and return its pid; one that runs already stays as it is."""
        if self.process(name)["statename"] not in RUNS:
            self.stop([name])  # one that waits to be tried again counts as started
            self._tell("startProcess", name)
        return int(self.process(name)["pid"])

    def stop(self, names: Iterable[str]) -> None:
        """Stop these, all at once, and wait until they are gone (supervisord kills those that ignore it)."""
        known = self.processes()
        stopping = [name for name in names if name in known]
        while stopping := [name for name in stopping if known[name]["statename"] not in SETTLED]:
            for name in stopping:  # again and again: one that has just ended is about to be started anew
                self._tell("stopProcess", name)
            time.sleep(0.05)
            known = self.processes()

    def shut_down(self) -> None:
        """End supervisord, and with it whatever still runs."""
        self._call("shutdown")


def render(layout: Layout, programs: Iterable[Program]) -> str:
    """The text of supervisord.conf."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    owner = "user=root\n" if os.geteuid() == 0 else ""  # said on purpose: supervisord warns otherwise
    return f"""[supervisord]
{owner}directory={layout.root}
pidfile={layout.root}/supervisord.pid
logfile={layout.log("supervisord")}
logfile_maxbytes=5MB
logfile_backups=2
childlogdir={layout.logs}
minfds={min(limit, OPEN_FILES)}
umask=077

[unix_http_server]
file={layout.supervisor_socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

""" + "\n".join(_section(layout, program) for program in programs)


def _section(layout: Layout, program: Program) -> str:
    owner = f"user={program.user}\n" if program.user else ""
    return f"""[program:{program.name}]
command={_escaped(" ".join(f'"{word}"' for word in program.command))}
environment={_escaped(_assignments({**program.environment, "QUICKSAND_FILES": program.fingerprint()}))}
directory={layout.data(program.name)}
{owner}autostart=false
autorestart=true
startsecs=1
startretries=1000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={layout.log(program.name)}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _assignments(environment: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in environment.items())


def _escaped(text: str) -> str:
    """supervisord expands %(name)s."""
    return text.replace("%", "%%")
