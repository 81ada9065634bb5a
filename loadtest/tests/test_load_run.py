"""A run from the command line, on the whole stack; and what is refused before anything is written."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from load.run import RUNS
from native import Stack
from native.layout import PYTHON

NAME = "test-smoke"


async def load(*words: str) -> tuple[int, str]:
    """`python -m load ...`: its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "load", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.fixture
def clean() -> Iterator[Path]:
    shutil.rmtree(RUNS / NAME, ignore_errors=True)
    yield RUNS / NAME
    shutil.rmtree(RUNS / NAME)
    (RUNS / f"compare-{NAME}-{NAME}.html").unlink()


async def test_a_smoke_run_ends_with_a_verdict_and_a_report(stack: Stack, clean: Path) -> None:
    words = ("run", "smoke", "--stack", stack.name, "--id", NAME, "--rate", "5", "--duration", "5")
    status, said = await load(*words)
    assert status in (0, 1, 3), said  # how fast it was is this machine's affair
    results = json.loads((clean / "results.json").read_text())
    assert results["verify"]["ok"], said
    assert results["verdict"]["broken"] == []
    assert results["lost_reads"] == 0
    told = (clean / "told.jsonl").read_text().splitlines()
    assert len(told) == results["by_name"]["POST /orders"]["count"] > 10
    assert sum(results["outcomes"].values()) == sum('"status":202' in line for line in told)
    assert "What visitors saw" in (clean / "report.html").read_text()

    status, said = await load(*words)
    assert (status, f"there is a run '{NAME}' already" in said) == (2, True)
    status, said = await load("capacity", "--orders-per-day", "100000", "--run", NAME)
    assert (status, "saturated first" in said) == (0, True), said
    status, said = await load("compare", NAME, NAME)
    assert (status, "too few repeats" in said) == (0, True), said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "storm"), "there is no profile 'storm': choose one of smoke"),
        (("run", "smoke", "--stack", "never-was"), "'never-was' does not run: start it with"),
        (("run", "smoke", "--id", "../x"), "'../x' is no name for a run"),
        (("run", "smoke", "--rate", "-1"), "'-1' is not a number above 0"),
        (("report", "never-was"), "there is no finished run 'never-was'"),
        (("compare", "never-was", "never-was"), "there is no finished run 'never-was'"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    before = sorted(RUNS.glob("*"))
    status, said = await load(*words)
    assert (status, sentence in said) == (2, True), said
    assert "Traceback" not in said
    assert sorted(RUNS.glob("*")) == before


async def test_an_edge_that_is_another_one_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_URL", "http://127.0.0.1:9")
    status, said = await load("run", "smoke", "--stack", stack.name, "--rate", "5", "--id", NAME + "-nowhere")
    assert (status, "nothing answers as the shop at http://127.0.0.1:9" in said) == (2, True), said
    assert not (RUNS / f"{NAME}-nowhere").exists()
