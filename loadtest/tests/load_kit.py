"""Runs that never were: their files, as the generator and the orchestrator write them."""

import json
from pathlib import Path
from typing import Any

from load import record, results, sagas
from load.arrivals import Phase
from load.plan import Plan
from load.profiles import Gates, Mix, Shelf
from load.record import REQUESTS, SECONDS, Lines, Request, Second
from load.sagas import Saga
from load.verdict import judge

HOLDS: dict[str, Any] = {"ok": True, "invariants": [{"number": 1, "name": "told", "findings": []}]}


def plan(directory: Path, **changes: Any) -> Plan:
    """Ten seconds of ten orders a second."""
    plain: dict[str, Any] = {
        "run": directory.name,
        "profile": "steady",
        "directory": directory,
        "stack": "",
        "phases": (Phase(10, 10),),
        "seed": "1",
        "mix": Mix(browses_per_order=0),
        "shelf": Shelf(),
        "gates": Gates(),
        "skus": tuple(f"load-{number}" for number in range(20)),
    }
    return Plan(**(plain | changes))


def placed(due: float, seconds: float = 0.05, status: int = 202) -> Request:
    """An order that was placed."""
    return Request(due, results.PLACE, status, seconds, seconds / 2, int(10 * due))


def run(directory: Path, requests: list[Request], **changes: Any) -> dict[str, Any]:
    """A finished run, in its directory. Returns its results."""
    directory.mkdir(parents=True)
    plan(directory, **changes).write()
    with Lines(directory / REQUESTS, Request) as lines:
        for request in requests:
            lines.add(request)
    with Lines(directory / SECONDS, Second) as lines:
        for second in range(1, 11):
            lines.add(Second(float(second), 10, 0, 3, 0.01, 0.2))
    sagas.write(directory, [Saga(r.due, 0.5, "confirmed", "") for r in requests if r.status == 202])
    (directory / "manifest.json").write_text(json.dumps(MANIFEST))
    found = results.figures(directory) | REST
    verdict = judge(Gates(), found, HOLDS)
    results.write(directory, found | {"verify": HOLDS, "verdict": verdict.document})
    assert len(record.requests(directory)) == len(requests)
    return results.read(directory)


MANIFEST = {
    "started": "2026-01-01T00:00:00+00:00",
    "commit": "0123456789abcdef",
    "changed_files": 0,
    "machine": {"cores": 2, "load_average": [0.5, 0.5, 0.5]},
    "capacity_orders_per_second": 20.0,
    "stack": {"name": "none", "runtime": "native", "replicas": 1, "settings": {}},
}
CPU = ("order", "payment", "notification", "postgres", "rabbitmq", "edge", "generator", "others on the machine")
REST: dict[str, Any] = {
    "backlog_seconds": 0.4,
    "started": 0.0,
    "events": 400.0,
    "event_bytes": 80000.0,
    "system": {
        "seconds": 10.0,
        "cores": 2,
        "cpu": dict.fromkeys(CPU, 0.5) | {"order": 1.0},
        "memory": {"order": 1e8},
        "written": {"postgres": 1e6},
        "wal_bytes": 1e6,
        "flushes": 200.0,
        "database_bytes": 5e5,
        "commits": 900.0,
        "connections": 30.0,
        "samples": [],
    },
}
