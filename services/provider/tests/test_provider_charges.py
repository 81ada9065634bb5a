"""The table of charges and the ledger under it: money is conserved whatever arrives in whatever order."""

import asyncio
import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider import charges
from provider.charges import TRANSITIONS, Charge, Command, Entry, Outcome, Status, Step
from provider.ledger import Ledger
from provider.problems import Problem
from provider.requests import ChargeRequest

CARDS = ("tok_ok", "tok_declined", "tok_unknown")
STATUS_AFTER = {
    Entry.CAPTURE: Status.CAPTURED,
    Entry.DECLINE: Status.DECLINED,
    Entry.REFUND: Status.REFUNDED,
    Entry.VOID: Status.VOIDED,
}


def charge_step(key: str, card: str) -> Step:
    return charges.charge(ChargeRequest(amount_cents=1250, currency="EUR", payment_token=card).of(key))


KEYS = st.sampled_from(["a", "b"])
COMMANDS = st.one_of(
    st.builds(lambda key, card: (key, charge_step(key, card)), KEYS, st.sampled_from(CARDS)),
    st.tuples(KEYS, st.sampled_from([charges.void, charges.refund])),
)


async def attempt(ledger: Ledger, key: str, step: Step) -> Outcome | Problem:
    try:
        return await ledger.record(key, step)
    except Problem as refusal:
        return refusal


def kinds_of(entries: list[dict[str, Any]], key: str) -> list[Entry]:
    return [Entry(entry["kind"]) for entry in entries if entry["key"] == key]


@pytest.mark.parametrize(("status", "command"), list(itertools.product(Status, Command)))
def test_every_status_answers_every_command(status: Status, command: Command) -> None:
    transition = TRANSITIONS[status, command]
    if isinstance(transition, charges.Change):
        assert transition.entries
        assert transition.status is STATUS_AFTER[transition.entries[-1]]


@settings(max_examples=100, deadline=None)
@given(bursts=st.lists(st.lists(COMMANDS, min_size=1, max_size=6), max_size=6))
async def test_any_interleaving_conserves_money_and_the_ledger_tells_the_same_story(
    bursts: list[list[tuple[str, Step]]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger.open(Path(directory))
        voided = set()
        for burst in bursts:
            results = await asyncio.gather(*(attempt(ledger, key, step) for key, step in burst))
            for result in results:
                if isinstance(result, Outcome) and result.charge.key in voided:
                    assert result.charge.status is Status.VOIDED, "a void is final"
                if isinstance(result, Outcome) and result.charge.status is Status.VOIDED:
                    voided.add(result.charge.key)
        at_the_end = [ledger.find("a"), ledger.find("b")]
        await ledger.close()

        reopened = Ledger.open(Path(directory))
        entries = reopened.page(0, 1000)
        assert [reopened.find("a"), reopened.find("b")] == at_the_end
        await reopened.close()

    for key, charge in zip(("a", "b"), at_the_end, strict=True):
        kinds = kinds_of(entries, key)
        assert all(count == 1 for count in Counter(kinds).values()), "nothing happens twice to a charge"
        if Entry.REFUND in kinds:
            assert kinds.index(Entry.CAPTURE) < kinds.index(Entry.REFUND), "only captured money is refunded"
        if charge is None:
            assert not kinds
            continue
        assert charge.status is STATUS_AFTER[kinds[-1]], "the ledger replayed ends where the charge stands"
        held = kinds.count(Entry.CAPTURE) - kinds.count(Entry.REFUND)
        assert held == (charge.status is Status.CAPTURED), "money is held exactly while a charge is captured"


async def test_a_caller_who_goes_away_leaves_a_whole_charge_or_none(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    caller = asyncio.create_task(ledger.record("gone", charge_step("gone", "tok_ok")))
    await asyncio.sleep(0)  # the step is queued, its commit is not done

    caller.cancel()
    await ledger.record("next", charge_step("next", "tok_ok"))

    assert ledger.find("gone") in (None, Charge("gone", Status.CAPTURED, 1250, "EUR", None, _print_of("tok_ok")))
    assert kinds_of(ledger.page(0, 10), "gone") in ([], [Entry.CAPTURE])
    await ledger.close()


def _print_of(card: str) -> str | None:
    return ChargeRequest(amount_cents=1250, currency="EUR", payment_token=card).of("any").fingerprint
