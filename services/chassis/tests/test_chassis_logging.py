"""Logging: one JSON object a line, which names what was worked on and no secret."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import asyncio, logging, uuid
from chassis.logging import bound, configure, get_logger
from chassis.settings import ServiceSettings

configure("maker", "info")
log = get_logger()
log.info("plain", number=1)
log.debug("too quiet")
with bound(order_id=uuid.UUID(int=1), event_id="e"):
    log.warning("inside")
    with bound(correlation_id="c"):
        logging.getLogger("a.library").warning("its %s", "words")
    async def other():
        log.info("in a task")
    asyncio.run(other())
log.info("outside")
try:
    raise LookupError("two\\nlines")
except LookupError as error:
    log.error("failed", exc_info=error)
for name in ("aio_pika", "uvicorn", "sqlalchemy", "alembic"):
    logging.getLogger(name + ".inner").info("too loud")
settings = ServiceSettings(
    http_port=1, internal_port=2, database_hosts="a:1", database_name="d", database_user="u",
    database_password="s3cret", broker_host="b", broker_user="u", broker_password="s3cret",
    redis_host="r", redis_user="u", redis_password="s3cret",
)
log.info("settings", settings=settings, password=settings.broker_password, all=settings.model_dump())
"""


@pytest.fixture(scope="module")
def output() -> str:
    """What a process prints that logs all kinds of things."""
    return subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def lines(output: str) -> dict[str, dict[str, Any]]:
    """Its lines, by their event; each is a JSON object."""
    found = [json.loads(line) for line in output.splitlines()]
    return {line["event"]: line for line in found}


def test_a_line_says_when_who_how_bad_and_what(lines: dict[str, dict[str, Any]]) -> None:
    line = lines["plain"]
    assert (line["service"], line["level"], line["number"]) == ("maker", "info", 1)
    assert line["time"].endswith("Z")


def test_a_line_carries_what_is_bound_while_it_is_bound(lines: dict[str, dict[str, Any]]) -> None:
    order = "00000000-0000-0000-0000-000000000001"
    assert (lines["inside"]["order_id"], lines["inside"]["event_id"]) == (order, "e")
    assert lines["in a task"]["order_id"] == order
    assert "order_id" not in lines["outside"]


def test_a_librarys_line_looks_like_ours_and_carries_the_same(lines: dict[str, dict[str, Any]]) -> None:
    line = lines["its words"]
    assert (line["service"], line["level"], line["correlation_id"], line["event_id"]) == ("maker", "warning", "c", "e")
    assert "time" in line


def test_an_exception_is_one_line(lines: dict[str, dict[str, Any]]) -> None:
    assert "LookupError: two\nlines" in lines["failed"]["exception"]


def test_what_is_below_the_level_or_chatter_of_libraries_is_not_written(lines: dict[str, dict[str, Any]]) -> None:
    assert not {"too quiet", "too loud"} & set(lines)


def test_a_secret_is_never_printed(output: str) -> None:
    assert '"settings"' in output
    assert "s3cret" not in output
