"""A run from the command line, on the whole stack; damage that its verdict names; what is refused before it begins."""
# ruff: noqa: S608  the statements are the tests' own

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from verify_world import confirmation, harmed, mail_copied

from load import target
from load.__main__ import main
from load.alone import alone
from load.identity import Identity
from load.record import TOLD
from load.run import RUNS
from native import Stack, tokens
from native.layout import PYTHON
from verify import told
from verify.told import Told

NAME = "test-smoke"
WORDS = ("run", "smoke", "--id", NAME, "--rate", "8", "--duration", "3")
TAKEN_OFF = "sold = sold + 1, available = available - 1"
CONFIRMED = "SELECT id FROM orders WHERE status = 'confirmed' AND id = ANY ('{{{}}}')"
SENT_AT_ONCE = "SELECT subject FROM effects WHERE attempt = 1 AND subject = ANY ('{{{}}}')"  # else copies are explained
Load = Callable[..., tuple[object, str]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Load:
    """`python -m load ...` in this process: its exit status and what it said."""

    def call(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["load", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, "".join(capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def finished(stack: Stack) -> Iterator[Path]:
    """The directory of a short run."""
    shutil.rmtree(RUNS / NAME, ignore_errors=True)
    command = [str(PYTHON), "-m", "load", *WORDS, "--stack", stack.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr  # how fast it was is this machine's affair
    yield RUNS / NAME
    shutil.rmtree(RUNS / NAME)


def test_a_run_ends_with_a_verdict_and_a_report(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert results["verify"]["ok"], results["verify"]
    assert results["verdict"]["broken"] == []
    assert results["lost_reads"] == 0
    record = told.read(finished / TOLD)
    assert len(record) == results["by_name"]["POST /orders"]["count"] > 10
    assert sum(results["outcomes"].values()) == sum(line.accepted for line in record)
    assert "What visitors saw" in (finished / "report.html").read_text()


def test_the_verdict_names_a_wrong_stock_a_lost_payment_a_mail_too_many_and_a_lost_order(
    stack: Stack, finished: Path, load: Load
) -> None:
    unpaid, copied, lost = confirmed(stack, finished)
    elsewhere = next(sku for sku in skus(finished) if sku not in lost.items)
    with ExitStack() as harm:
        for database, table, where, change in (
            ("orders", "stock", f"sku = '{elsewhere}'", f"UPDATE stock SET {TAKEN_OFF}"),
            ("payments", "payments", f"id = '{unpaid.order_id}'", "DELETE FROM payments"),
            ("orders", "orders", f"id = '{lost.order_id}'", "DELETE FROM orders"),
        ):
            harm.enter_context(harmed(stack, database, table, where, f"{change} WHERE {where}"))
        assert copied.order_id
        harm.enter_context(mail_copied(stack, confirmation(copied.order_id), f"{copied.customer}@mail.example"))
        status, said = load("verdict", NAME)

    assert (status, said.splitlines()[-2]) == (1, "failed"), said
    for number, words, name in (
        (1, "there is no such order", lost.order_id),
        (3, "an order without a payment", unpaid.order_id),
        (4, "sold is not what the confirmed orders hold", elsewhere),
        (5, "more copies than its attempts explain", confirmation(copied.order_id)),
    ):
        broken = [line for line in said.splitlines() if line.startswith(f"RED   invariant {number} ")]
        assert any(words in line and str(name) in line for line in broken), said


def confirmed(stack: Stack, finished: Path) -> list[Told]:
    """Three orders that visitors were promised, that were paid, and whose one mail was sent at the first attempt."""
    promised = {str(line.order_id): line for line in told.read(finished / TOLD) if line.accepted}
    paid = stack.sql(CONFIRMED.format(",".join(promised)), "orders").split()
    mailed = stack.sql(SENT_AT_ONCE.format(",".join(paid)), "notifications").split()
    return [promised[row] for row in mailed[:3]]


def skus(finished: Path) -> list[str]:
    """What the run had to sell."""
    found: list[str] = json.loads((finished / "plan.json").read_text())["skus"]
    return found


def test_a_run_is_not_overwritten_and_serves_others(stack: Stack, finished: Path, load: Load) -> None:
    status, said = load(*WORDS, "--stack", stack.name)
    assert (status, f"there is a run '{NAME}' already" in said) == (2, True)
    status, said = load("capacity", "--orders-per-day", "100000", "--run", NAME)
    assert (status, "saturated first" in said) == (0, True), said
    status, said = load("compare", NAME, NAME)
    (RUNS / f"compare-{NAME}-{NAME}.html").unlink()
    assert (status, "too few repeats" in said) == (0, True), said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "storm"), "there is no profile 'storm': choose one of smoke"),
        (("run", "smoke", "--stack", "never-was"), "'never-was' does not run: start it with"),
        (("run", "smoke", "--id", "../x"), "'../x' is no name for a run"),
        (("run", "smoke", "--rate", "-1"), "'-1' is not a number above 0"),
        (("verdict", "never-was"), "there is no finished run 'never-was'"),
        (("report", "never-was"), "there is no finished run 'never-was'"),
        (("compare", "never-was", "never-was"), "there is no finished run 'never-was'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(words: tuple[str, ...], sentence: str, load: Load) -> None:
    before = sorted(RUNS.glob("*"))
    status, said = load(*words)
    assert (status, sentence in said) == (2, True), said
    assert sorted(RUNS.glob("*")) == before


def test_a_stack_is_loaded_by_one_run_at_a_time(stack: Stack, load: Load) -> None:
    with alone(stack.name):
        status, said = load("run", "smoke", "--stack", stack.name, "--rate", "5", "--id", NAME + "-second")
    assert (status, f"another load test of '{stack.name}' is under way" in said) == (2, True), said
    assert not (RUNS / f"{NAME}-second").exists()


def test_a_token_that_the_shop_does_not_know_is_refused(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(tokens.new_key()))
    monkeypatch.setenv("TOKEN_SIGNING_KEY", str(tmp_path / "key.json"))
    monkeypatch.setattr(target, "Identity", lambda _: Identity(""))
    status, said = load("run", "smoke", "--stack", stack.name, "--rate", "5", "--id", NAME + "-stranger")
    assert (status, "does not accept our token (401)" in said) == (2, True), said
    assert not (RUNS / f"{NAME}-stranger").exists()


def test_an_edge_that_is_another_one_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    monkeypatch.setenv("EDGE_URL", "http://127.0.0.1:9")
    status, said = load("run", "smoke", "--stack", stack.name, "--rate", "5", "--id", NAME + "-nowhere")
    assert (status, "nothing answers as the shop at http://127.0.0.1:9" in said) == (2, True), said
    assert not (RUNS / f"{NAME}-nowhere").exists()
