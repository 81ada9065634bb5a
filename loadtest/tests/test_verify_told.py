"""What clients were told is held against the databases, and what they could not be told is looked up."""

from uuid import UUID, uuid4

import pytest
from verify_world import World

from verify import told
from verify.report import Report
from verify.told import Recorder, Told

pytest_plugins = ("verify_fixtures",)
pytestmark = pytest.mark.usefixtures("quickly")

STRANGER = UUID("00000000-0000-7000-8000-000000000000")


async def check(world: World, changed: Told) -> Report:
    """The world's record with one line more, or with another one under the same key."""
    record = [one for one in told.read(world.record) if one.key != changed.key]
    return await world.check(record=[*record, changed])


def line_of(world: World, order_id: UUID) -> Told:
    """What was told about an order."""
    return next(one for one in told.read(world.record) if one.order_id == order_id)


def found(report: Report, number: int) -> str:
    """What is said of one invariant; the others hold."""
    assert [result.number for result in report.results if not result.ok] == [number]
    return "\n".join(report.of(number).lines)


async def test_a_promised_order_that_does_not_exist_is_named(world: World) -> None:
    report = await check(world, line_of(world, world.paid).model_copy(update={"order_id": STRANGER, "key": "k"}))
    assert f"there is no such order:\n           {STRANGER}" in found(report, 1)


async def test_two_orders_for_one_key_are_named(world: World) -> None:
    ours = line_of(world, world.paid)
    twice = ours.model_copy(update={"order_id": world.refunded, "items": line_of(world, world.refunded).items})
    report = await world.check(record=[*told.read(world.record), twice])
    assert f"key {ours.key} of customer demo: " in found(report, 1)


async def test_an_order_over_something_else_is_named(world: World) -> None:
    report = await check(world, line_of(world, world.paid).model_copy(update={"items": {"concert-floor": 3}}))
    assert str(world.paid) in found(report, 1)


async def test_an_order_that_was_refused_and_exists_is_named(world: World) -> None:
    report = await check(world, line_of(world, world.paid).model_copy(update={"status": 409, "order_id": None}))
    assert str(world.paid) in found(report, 1)


@pytest.mark.parametrize("status", ["timeout", 504])
async def test_a_request_without_an_answer_is_looked_up(world: World, status: int | str) -> None:
    unanswered = line_of(world, world.paid).model_copy(update={"status": status, "order_id": None})
    never_arrived = unanswered.model_copy(update={"key": str(uuid4())})
    answered_later = line_of(world, world.declined).model_copy(update={"status": status, "order_id": None})
    others = [one for one in told.read(world.record) if one.key != unanswered.key]

    report = await world.check(record=[*others, unanswered, never_arrived, answered_later])

    assert report.ok, "\n".join(report.lines)
    assert list(report.of(9).counts.values()) == [3, 1, 1, 1]


@pytest.mark.parametrize("later", [None, 401, 429])
async def test_an_order_made_unseen_must_be_what_was_asked_for(world: World, later: int | None) -> None:
    ours = line_of(world, world.paid)
    unseen = ours.model_copy(update={"status": "timeout", "order_id": None, "items": {"concert-floor": 7}})
    refused = [unseen.model_copy(update={"status": later})] if later else []  # which says nothing of the first one
    others = [one for one in told.read(world.record) if one.key != ours.key]
    report = await world.check(record=[*others, unseen, *refused])
    assert str(world.paid) in found(report, 9)


def test_a_record_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("record") / "told.jsonl"
    lines = [
        Told(key="a", customer="c", items={"s": 1}, status=202, order_id=STRANGER),
        Told(key="b", customer="c", items={"s": 2}, status=409),
        Told(key="c", customer="c", items={"s": 3}, status="timeout"),
    ]
    with Recorder(file) as recorder:
        for line in lines:
            recorder.add(line)
    assert told.read(file) == lines
