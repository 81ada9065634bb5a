"""Handing over the lead, as Patroni answers: a node of these tests' own plays it, because it has to refuse, too."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from failover import FailoverError, Node, switch_over

Answers = dict[str, tuple[int, str]]  # by method and path


@pytest.fixture
def node() -> Iterator[Callable[[str, Answers], Node]]:
    """Makes a node that answers so, and 503 to everything else."""
    servers = []

    def make(name: str, answers: Answers) -> Node:
        known = {"GET /patroni": (200, f'{{"patroni": {{"name": "{name}"}}}}'), **answers}

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                status, body = known.get(f"{self.command} {self.path}", (503, ""))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = answer  # noqa: N815  the base class's names

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return Node(f"http://127.0.0.1:{server.server_port}")

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


LEADS: Answers = {"GET /primary": (200, "")}
FOLLOWS: Answers = {"GET /sync": (200, "")}


def test_without_a_leader_nothing_is_asked_for(node: Callable[[str, Answers], Node]) -> None:
    nodes = [node("a", {}), node("b", FOLLOWS)]
    with pytest.raises(FailoverError, match="none of a, b leads now"):
        switch_over(nodes, "secret", print)


def test_without_a_synchronous_standby_nothing_is_asked_for(node: Callable[[str, Answers], Node]) -> None:
    nodes = [node("a", LEADS), node("b", {})]
    with pytest.raises(FailoverError, match="a has no synchronous standby"):
        switch_over(nodes, "secret", print)


def test_a_refusal_is_passed_on_in_patronis_words(node: Callable[[str, Answers], Node]) -> None:
    nodes = [node("a", {**LEADS, "POST /switchover": (412, "the candidate lags")}), node("b", FOLLOWS)]
    with pytest.raises(FailoverError, match=r"Patroni refused: the candidate lags \(HTTP 412\)"):
        switch_over(nodes, "secret", print)


def test_the_command_line_says_in_one_sentence_what_is_wrong(tmp_path: Path) -> None:
    password = tmp_path / "patroni"
    command = [sys.executable, "-m", "failover", "--node", "http://127.0.0.1:1", "--password-file", str(password)]
    missing = subprocess.run(command, capture_output=True, text=True, check=False)
    password.write_text("secret")
    silent = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (missing.returncode, silent.returncode) == (1, 1)
    assert missing.stderr == f"cannot read {password}: No such file or directory\n"
    assert silent.stderr == "no Patroni answers at http://127.0.0.1:1: is the stack up?\n"
