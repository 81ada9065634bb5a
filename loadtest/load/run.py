"""One run, from the question whether the stack is there to the verdict."""

import asyncio
import json
import os
import resource
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import cpu
from bench.watch import PATIENCE_SECONDS, Watch
from chassis.events import uuid7
from load import calibrate, results, sagas, series, system
from load.errors import LoadError
from load.manifest import manifest
from load.plan import VARIABLE, Plan
from load.profiles import Profile, capacity_for, fitted
from load.record import TOLD
from load.system import Sample, System
from load.target import Target
from load.verdict import Verdict, judge
from native.layout import CHECKOUT

RUNS = CHECKOUT / "loadtest" / "runs"
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SAMPLE_SECONDS = 10.0
CLOSED = 512  # file descriptors beside one for each visitor


@dataclass(frozen=True)
class Wish:
    """What the user asks for. `rate`: what the profile begins with, in orders a second; `None`: as its share of
    the capacity, which is measured then.
    """

    profile: Profile
    directory: Path
    rate: float | None
    seconds: float | None
    seed: str


async def run(target: Target, wish: Wish) -> Verdict:
    """Load it, wait until it is at rest, verify, report. Raises `LoadError` before anything is written."""
    directory = wish.directory
    await target.check()
    capacity = capacity_for(wish.profile, wish.rate) if wish.rate else await _capacity(target, wish.profile)
    plan = await _plan(target, wish, capacity)
    async with System(target.stack) as looks, Watch(target.stack) as watch:
        before = await looks.sample()
        directory.mkdir(parents=True)
        plan_file = plan.write()
        _write(directory, "manifest.json", manifest(plan, target.stack, None if wish.rate else capacity))
        samples: list[Sample] = []
        watch.mark()
        since = datetime.now(UTC)
        sampling = asyncio.create_task(_keep_looking(looks, samples))
        try:
            await _generate(plan, plan_file, target)
        finally:
            sampling.cancel()
        started = float((directory / "started").read_text())
        backlog = await _backlog(watch, plan)
        after = await looks.sample()
        sagas.write(directory, await sagas.load(looks.orders, plan.run, started))
        events, content = await looks.events(since)
    found = results.figures(directory)
    found |= {"backlog_seconds": backlog, "started": started, "events": events, "event_bytes": content}
    found["system"] = _used(before, [before, *samples, after])
    await asyncio.to_thread(_keep_series, target, directory, started, found["seconds"] + (backlog or 0))
    return await conclude(target, directory, found)


async def conclude(target: Target, directory: Path, found: dict[str, Any]) -> Verdict:
    """Hold what the visitors were told against the system as it is now, judge the run by that, and write both down."""
    verified = await _verify(target, directory)
    verdict = judge(Plan.read(directory / "plan.json").gates, found, verified)
    results.write(directory, found | {"verify": verified, "verdict": verdict.document})
    return verdict


async def _capacity(target: Target, profile: Profile) -> float:
    print("measuring what the stack carries now (RATE= spares this)", flush=True)
    capacity = await calibrate.orders_per_second(target, profile.mix)
    print(f"{capacity:.1f} orders a second go all the way, with the looks that go with each", flush=True)
    return capacity


async def _plan(target: Target, wish: Wish, capacity: float) -> Plan:
    profile = fitted(wish.profile, capacity, wish.seconds)
    run_id = f"{wish.directory.name}-{uuid7().hex[-6:]}"  # keys of an earlier run of the same name are not this one's
    expected = sum(phase.per_second * phase.seconds for phase in profile.phases)
    return Plan(
        run=run_id,
        profile=profile.name,
        directory=wish.directory,
        stack=target.stack.name,
        phases=profile.phases,
        seed=wish.seed,
        mix=profile.mix,
        shelf=profile.shelf,
        gates=profile.gates,
        skus=await target.shelve(run_id, profile.shelf, expected),
        stopping=profile.stops,
        metrics_port=target.metrics_port,
    )


async def _generate(plan: Plan, file: Path, target: Target) -> None:
    """The generator, a process of its own. Raises `LoadError` if it could not do its work."""
    log = plan.directory / "locust.log"
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", target.edge, "--headless", "-u", "1"]
    command += ["--only-summary", "--exit-code-on-error", "0", "--stop-timeout", "1", "--loglevel", "WARNING"]
    command += ["--html", str(plan.directory / "locust.html"), "--csv", str(plan.directory / "locust")]
    _allow_files(plan.most_in_flight + CLOSED)
    with log.open("w") as words:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, VARIABLE: str(file)}, stderr=words, stdout=None
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    if code or not (plan.directory / "started").exists():
        last = "; ".join(log.read_text().splitlines()[-2:])
        raise LoadError(f"the generator ended with status {code}: {last} (all of it: {log})")


def _allow_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


async def _keep_looking(looks: System, samples: list[Sample]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(await looks.sample())


async def _backlog(watch: Watch, plan: Plan) -> float | None:
    """Seconds from the last arrival until nothing was on its way; `None` if that took too long."""
    ended = (plan.directory / "ended").stat().st_mtime
    accepted = sum('"status":202' in line for line in (plan.directory / TOLD).read_text().splitlines())
    print("waiting until the backlog is gone", flush=True)
    for _ in range(1 + int(plan.gates.backlog // PATIENCE_SECONDS)):
        try:
            await watch.rest(accepted)
        except SystemExit:
            continue
        return max(0.0, (await watch.last_mail()).timestamp() - ended) if accepted else 0.0
    return None


async def _verify(target: Target, directory: Path) -> dict[str, Any] | None:
    """What `verify` says about what the visitors were told; `None` where it could not check."""
    told = directory / TOLD
    command = [sys.executable, "-m", "verify", "--stack", target.stack.name, "--told", str(told), "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    (directory / "verify.json").write_bytes(said)
    return json.loads(said) if process.returncode in (0, 1) and said else None


def _used(before: Sample, samples: list[Sample]) -> dict[str, Any]:
    after = samples[-1]
    generator = _children_seconds()
    spent = cpu.difference(before.cpu, after.cpu)
    spent |= {cpu.GENERATOR: generator, cpu.ELSEWHERE: max(0.0, spent[cpu.ELSEWHERE] - generator)}
    flushes = None if before.flushes is None or after.flushes is None else after.flushes - before.flushes
    return {
        "seconds": after.at - before.at,
        "cores": os.cpu_count(),
        "cpu": spent,
        "memory": after.memory,
        "written": system.used(before.written, after.written),
        "wal_bytes": after.wal_bytes - before.wal_bytes,
        "flushes": flushes,
        "database_bytes": after.database_bytes - before.database_bytes,
        "commits": after.commits - before.commits,
        "connections": max(sample.connections for sample in samples),
        "samples": [
            {"at": s.at, "memory": s.memory, "connections": s.connections, "database_bytes": s.database_bytes}
            for s in samples
        ],
    }


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _keep_series(target: Target, directory: Path, started: float, seconds: float) -> None:
    lines = {
        question.title: series.ask(target.prometheus, question, started, seconds)
        for question in (*series.QUESTIONS, series.FAULTS)
    }
    _write(directory, "series.json", lines)


def _write(directory: Path, name: str, document: Any) -> None:
    (directory / name).write_text(json.dumps(document, indent=1) + "\n")
