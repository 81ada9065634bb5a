"""Doing many things as early as possible: every step runs in a thread of its own once those it follows are done."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

SLOW_SECONDS = 5.0
POLL_SECONDS = 0.05
Report = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """Something to do. `run` is given an event that is set as soon as another step has failed."""

    name: str
    what: str
    run: Callable[[threading.Event], None]
    after: tuple[str, ...] = ()


@dataclass
class _Progress:
    report: Report
    failed: threading.Event = field(default_factory=threading.Event)
    errors: list[Exception] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def line(self, step: Step, seconds: float, remark: str = "") -> None:
        with self.lock:
            self.report(f"  {step.name:<22}{step.what + remark:<36}{seconds:5.1f} s")


def run_all(steps: Iterable[Step], report: Report) -> None:
    """Run them; a line when one is done, and while one takes long. Raises the first error."""
    todo = list(steps)
    done = {step.name: threading.Event() for step in todo}
    progress = _Progress(report)
    with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
        try:
            for future in [pool.submit(_run, step, done, progress) for step in todo]:
                future.result()
        except BaseException:  # a person's Ctrl-C too: the others must not go on waiting
            progress.failed.set()
            raise
    if progress.errors:
        raise progress.errors[0]


def _run(step: Step, done: dict[str, threading.Event], progress: _Progress) -> None:
    for name in step.after:
        while not done[name].wait(POLL_SECONDS):
            if progress.failed.is_set():
                return
    started = time.monotonic()
    finished = threading.Event()
    threading.Thread(target=_remind, args=(step, started, finished, progress), daemon=True).start()
    try:
        step.run(progress.failed)
        if not progress.failed.is_set():
            progress.line(step, time.monotonic() - started)
            done[step.name].set()
    except Exception as error:  # noqa: BLE001  raised again in the caller's thread
        progress.errors.append(error)
        progress.failed.set()
    finally:
        finished.set()


def _remind(step: Step, started: float, finished: threading.Event, progress: _Progress) -> None:
    while not finished.wait(SLOW_SECONDS):
        if not progress.failed.is_set():
            progress.line(step, time.monotonic() - started, " ... waiting")
