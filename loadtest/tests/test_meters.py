"""What comes and goes can be asked while it is there, and leaves its last word where that is wanted."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

from meters import LoadMeter, fault, tell
from meters.faults import end_all
from meters.load import result_of
from native.ports import ASIDE, free_base


class Gateway(HTTPServer):
    """Takes what is pushed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.said: list[tuple[str, dict[str, float]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """PUT, DELETE, and who has said something."""

    server: Gateway

    def do_GET(self) -> None:
        """One drill that was never ended, and the verdict."""
        labels = [{"job": "verify"}, {"job": "drill", "drill": "kill order"}]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"labels": one} for one in labels]}).encode())

    def do_DELETE(self) -> None:
        """Remember that, too."""
        self.server.said.append((self.path, {}))
        self.send_response(202)
        self.end_headers()

    def do_PUT(self) -> None:
        """Remember it."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.said.append((self.path, samples(text)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""


def samples(text: str) -> dict[str, float]:
    """Values by name and labels."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A Pushgateway, as far as it matters here."""
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_generator_is_asked_while_it_runs() -> None:
    meter, port = LoadMeter(), free_base(ASIDE)
    meter.due()
    meter.done("refused", 0.25)
    meter.drop()
    with meter.serve(port), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = samples(answer.read().decode())
    assert found["loadtest_requests_offered_total"] == 2
    assert found["loadtest_requests_dropped_total"] == 1
    assert found["loadtest_requests_total refused"] == 1
    assert found["loadtest_requests_total ok"] == 0
    assert found["loadtest_request_duration_seconds_bucket 0.3"] == 1
    assert found["loadtest_active_requests"] == 0


@pytest.mark.parametrize(
    ("status", "result"),
    [(202, "ok"), (409, "rejected"), (429, "refused"), (503, "refused"), (502, "failed"), (None, "timeout")],
)
def test_an_answer_is_one_of_five(status: int | None, result: str) -> None:
    assert result_of(status) == result


def test_a_verdict_is_left_at_the_gateway(gateway: Gateway) -> None:
    assert tell(gateway.url, {1: 0, 3: 2}, 1.5)
    ((path, said),) = gateway.said
    assert path == "/metrics/job/verify"
    assert (said["verify_invariant_violations 1"], said["verify_invariant_violations 3"]) == (0, 2)


def test_nobody_fails_because_there_is_no_gateway() -> None:
    assert not tell("http://127.0.0.1:1", {1: 0}, 1.5)


def test_a_fault_is_over_even_when_its_drill_fails(gateway: Gateway) -> None:
    with pytest.raises(KeyError), fault(gateway.url, "freeze", "payment"):
        raise KeyError
    path = "/metrics/job/drill/drill/freeze%20payment"
    assert gateway.said == [(path, {"faults_active freeze payment": 1}), (path, {})]


def test_every_drill_ends_and_the_verdict_stays(gateway: Gateway) -> None:
    assert end_all(gateway.url)
    assert gateway.said == [("/metrics/job/drill/drill/kill%20order", {})]


@pytest.mark.parametrize("nobody", ["http://127.0.0.1:1", ""])
def test_a_drill_goes_on_without_a_gateway(nobody: str) -> None:
    with fault(nobody, "freeze", "payment") as told:
        assert not told
    assert not end_all(nobody)
