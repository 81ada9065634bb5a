"""A loop steps when woken and by the clock, outlives errors, and ends when it is told to."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from chassis_kit import eventually

import chassis.loop
from chassis.loop import Loop, jittered

MORE = 1.0
Start = Callable[[Loop], Awaitable[None]]


class Steps:
    """Counts its steps; raises or was as full as the test has lined up, and then has nothing."""

    def __init__(self, *answers: BaseException | float) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def __call__(self) -> float:
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def are(self, count: int) -> None:
        """Wait until so many were made."""

        async def reached() -> bool:
            return len(self.times) >= count

        await eventually(reached)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[tuple[Loop, asyncio.Task[None]]] = []

    async def begin(loop: Loop) -> None:
        running.append((loop, asyncio.create_task(loop.run())))

    yield begin
    for loop, task in running:
        loop.stop()
        await asyncio.wait_for(task, 2)


async def test_it_steps_at_once_and_then_by_the_clock(start: Start) -> None:
    await start(Loop("test", steps := Steps(), 0.02))
    await steps.are(3)
    assert min(later - earlier for earlier, later in zip(steps.times, steps.times[1:], strict=False)) >= 0.015


async def test_it_steps_when_woken_whatever_the_clock_says(start: Start) -> None:
    await start(loop := Loop("test", steps := Steps(), 3600))
    await steps.are(1)
    loop.wake()
    await steps.are(2)


async def test_being_woken_during_a_step_leads_to_another(start: Start) -> None:
    woken = 0

    async def step() -> bool:
        nonlocal woken
        woken += 1
        if woken == 1:
            loop.wake()
        return False

    async def twice() -> bool:
        return woken == 2

    loop = Loop("test", step, 3600)
    await start(loop)
    await eventually(twice)


async def test_it_steps_again_at_once_while_there_is_more(start: Start) -> None:
    await start(Loop("test", steps := Steps(MORE, MORE, MORE), 3600))
    await steps.are(4)


async def test_the_first_step_is_kept_apart_from_none(start: Start) -> None:
    await start(Loop("test", steps := Steps(), 3600, apart_seconds=3600))
    await steps.are(1)


async def test_steps_begin_apart_under_load(start: Start) -> None:
    steps = Steps()

    async def woken_meanwhile() -> float:
        loop.wake()
        return await steps()

    await start(loop := Loop("test", woken_meanwhile, 3600, apart_seconds=0.03))
    await steps.are(4)
    assert min(later - earlier for earlier, later in zip(steps.times, steps.times[1:], strict=False)) >= 0.025


async def test_an_error_does_not_end_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.loop, "BACKOFF_BASE_SECONDS", 0.001)
    errors = LookupError(), OSError(), ExceptionGroup("", [OSError()]), asyncio.CancelledError()  # nobody's: a client's
    await start(Loop("test", steps := Steps(*errors), 3600))
    await steps.are(5)


async def test_whoever_cancels_it_ends_it() -> None:
    running = asyncio.create_task(Loop("test", asyncio.Event().wait, 3600).run())
    await asyncio.sleep(0)  # it has begun
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_after_errors_its_pauses_grow_and_after_a_success_they_are_short_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def pause(attempt: int, *_: float) -> float:
        asked.append(attempt)
        return 0

    monkeypatch.setattr(chassis.loop, "jittered", pause)
    error = LookupError()
    await start(Loop("test", steps := Steps(error, error, error, MORE, error), 3600))
    await steps.are(6)
    assert asked == [1, 2, 3, 1]


async def test_stopping_lets_the_running_step_end() -> None:
    go_on, ended = asyncio.Event(), False

    async def step() -> bool:
        nonlocal ended
        await go_on.wait()
        ended = True
        return True

    loop = Loop("test", step, 3600)
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    loop.stop()
    go_on.set()
    await asyncio.wait_for(running, 2)
    assert ended


def test_a_pause_is_anything_up_to_its_cap() -> None:
    for attempt, ceiling in ((0, 0.2), (1, 0.4), (3, 1.6), (10, 10), (10_000, 10)):
        pauses = [jittered(attempt, 0.2, 10) for _ in range(500)]
        assert 0 <= min(pauses) < ceiling * 0.1
        assert ceiling * 0.9 < max(pauses) <= ceiling
        assert statistics.mean(pauses) == pytest.approx(ceiling / 2, rel=0.2)
