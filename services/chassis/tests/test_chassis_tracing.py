"""Tracing: who is whose parent, what it costs when it is off, and a collector that does not answer."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest
from chassis_kit import Noted, SettingsOf, Sql, Thing, contract, envelope
from chassis_shop import open_shop

from bearer import Tokens
from chassis import spans, tracing
from chassis.consumer import Consumer
from chassis.db import Database, Session
from chassis.events import Envelope
from chassis.outbox import emit
from outside.collector import Collector, Span
from outside.waiting import eventually

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"
MORE_THAN_IS_KEPT = 3000  # the SDK keeps 2048 spans while nobody takes them


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """This process traces, to here."""
    with Collector() as collector:
        tracing.start("maker", f"http://127.0.0.1:{collector.port}")
        yield collector
        await tracing.stop()


async def exported(collector: Collector, count: int, trace_id: str = TRACE) -> list[Span]:
    return await eventually(lambda: collector.trace(trace_id), lambda spans: len(spans) >= count)


def sent(**changes: object) -> Envelope:
    return envelope().model_copy(update=changes)


async def test_each_message_of_a_batch_has_its_own_span_with_its_own_parent(
    database: Database, sql: Sql, collector: Collector
) -> None:
    consumer = Consumer(contract("alone"), Thing)

    @consumer.on(Noted)
    async def answer(event: Noted, session: Session) -> None:
        emit(session, session.create(Thing(id=event.order_id, partition=0)), event)

    parents = [f"{number:016x}" for number in (1, 2, 3)]
    events = [sent(traceparent=f"00-{TRACE}-{parent}-01") for parent in parents]

    await consumer.process(database, [*events, events[0]])

    found = await exported(collector, 4)
    assert [span.parent_id for span in found] == [*parents, parents[0]]
    assert [span.attributes["quicksand.result"] for span in found] == ["ok", "ok", "ok", "duplicate"]
    written = [row["traceparent"] for row in await sql.fetch("SELECT traceparent FROM outbox ORDER BY seq")]
    assert written == [f"00-{TRACE}-{span.id}-01" for span in found[:3]]


async def test_a_batch_that_was_rolled_back_shows_each_try_under_the_same_parent(
    database: Database, collector: Collector
) -> None:
    consumer = Consumer(contract("alone"), Thing)
    tries = 0

    @consumer.on(Noted)
    async def fail_once(event: Noted, session: Session) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise LookupError("the first time")

    await consumer.process(database, [sent(traceparent=GIVEN)])

    found = await exported(collector, 2)
    assert [(span.parent_id, span.failed) for span in found] == [(PARENT, True), (PARENT, False)]


@pytest.mark.parametrize("malformed", ["", "00", GIVEN.upper() + "\x00", f"00-{'0' * 32}-{PARENT}-01"])
async def test_a_malformed_traceparent_is_as_good_as_none(malformed: str, collector: Collector) -> None:
    with spans.overdue("step", envelope().subject, malformed):
        current = tracing.current()
    assert current is not None
    (span,) = await exported(collector, 1, current.split("-")[1])
    assert span.parent_id == ""


async def test_a_caller_who_does_not_sample_is_heeded(collector: Collector) -> None:
    with spans.overdue("step", envelope().subject, GIVEN.removesuffix("1") + "0"):
        assert tracing.current() is not None
        assert str(tracing.current()).endswith("-00")
    with spans.overdue("the end", envelope().subject, GIVEN):
        pass
    assert [span.name for span in await exported(collector, 1)] == ["the end"]


async def test_a_line_that_is_logged_inside_a_span_names_it(collector: Collector) -> None:
    assert tracing.name_trace(None, "", {}) == {}
    with tracing.resumed(GIVEN):
        assert tracing.name_trace(None, "", {}) == {"trace_id": TRACE, "span_id": PARENT}


async def test_a_collector_that_never_answers_delays_neither_a_request_nor_the_end(
    settings: SettingsOf, database: Database, tokens: Tokens
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        tracing.start("maker", f"http://127.0.0.1:{hangs.getsockname()[1]}")
        for _ in range(MORE_THAN_IS_KEPT):
            with spans.overdue("step", envelope().subject, None):
                await asyncio.sleep(0)
        async with open_shop(settings(), database, tokens) as shop:
            started = time.monotonic()
            answers = [await shop.make(key) for key in ("first", "second", "third")]
            answered = time.monotonic()
            await tracing.stop()
            stopped = time.monotonic()
    assert {answer.status for answer in answers} == {201}
    assert answered - started < tracing.TIMEOUT_SECONDS  # for which an export waits in vain
    assert stopped - answered < tracing.TIMEOUT_SECONDS


def test_nothing_of_it_is_imported_when_it_is_off() -> None:
    script = (
        "import sys, chassis.app as app; app.tracing.start('maker', ''); print(app.tracing.current(), *sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert output[0] == "None"
    assert not {name for name in output if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter"))}
