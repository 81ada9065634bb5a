"""Contracts that do not fit together are refused, in a sentence that names the event and the services."""

from pathlib import Path

import pytest

from chassis.events import Contract, Event
from topology.contracts import ContractError, load, refuse_contradictions


class Brewed(Event, type="tea.brewed.v1"):
    """Tea is ready."""

    leaves: str


class BrewedAsHeard(Event, type="tea.brewed.v1"):
    """What a listener reads of it."""

    leaves: str
    sugar: int = 0


class BrewedWithMore(Event, type="tea.brewed.v1"):
    """A listener that needs what nobody sends."""

    temperature: int


class Spilled(Event, type="tea.spilled.v1"):
    """Tea is gone."""


def contract(
    service: str,
    publishes: tuple[type[Event], ...] = (),
    consumes: dict[str, tuple[type[Event], ...]] | None = None,
    without_subscribers: tuple[type[Event], ...] = (),
) -> Contract:
    return Contract(service, f"{service}s", publishes, consumes or {}, without_subscribers)


KITCHEN = contract("kitchen", (Brewed,))
TABLE = contract("table", consumes={"kitchens": (BrewedAsHeard,)})


def refused(*contracts: Contract) -> str:
    with pytest.raises(ContractError) as caught:
        refuse_contradictions(contracts)
    return str(caught.value)


def test_the_services_contracts_fit_together() -> None:
    contracts = load()
    assert [contract.service for contract in contracts] == ["notification", "order", "payment"]
    refuse_contradictions(contracts)


def test_a_listener_may_know_optional_fields_that_nobody_sends() -> None:
    refuse_contradictions([KITCHEN, TABLE])


def test_an_event_that_nobody_publishes_cannot_be_consumed() -> None:
    sentence = refused(TABLE, contract("kitchen"))
    assert sentence.startswith("table consumes tea.brewed.v1 from vhost kitchens, where nobody publishes it")


def test_an_event_cannot_be_consumed_from_a_vhost_that_it_is_not_published_in() -> None:
    sentence = refused(KITCHEN, contract("table", consumes={"gardens": (BrewedAsHeard,)}))
    assert "from vhost gardens" in sentence
    assert sentence.endswith("it is published in kitchens")


def test_an_event_that_nobody_consumes_must_be_declared_so() -> None:
    assert refused(KITCHEN).startswith("kitchen publishes tea.brewed.v1, which nobody consumes")
    refuse_contradictions([contract("kitchen", (Brewed,), without_subscribers=(Brewed,))])


def test_an_event_with_subscribers_must_not_be_declared_without() -> None:
    lenient = contract("kitchen", (Brewed,), without_subscribers=(Brewed,))
    assert "declares tea.brewed.v1 in without_subscribers, but it is consumed" in refused(lenient, TABLE)


def test_an_event_declared_without_subscribers_must_be_published() -> None:
    odd = contract("kitchen", (Brewed,), without_subscribers=(Spilled,))
    assert refused(odd, TABLE) == "kitchen declares tea.spilled.v1 in without_subscribers but does not publish it"


def test_an_event_has_one_publisher() -> None:
    assert refused(KITCHEN, contract("garden", (Brewed,)), TABLE).startswith(
        "kitchen and garden both publish tea.brewed.v1"
    )


def test_a_vhost_has_one_publisher() -> None:
    twin = Contract("cellar", "kitchens", (Spilled,), {}, (Spilled,))
    assert refused(KITCHEN, twin, TABLE).startswith("kitchen and cellar both publish in vhost kitchens")


def test_a_copy_cannot_require_a_field_that_the_publisher_does_not_send() -> None:
    demanding = contract("table", consumes={"kitchens": (BrewedWithMore,)})
    assert refused(KITCHEN, demanding).startswith("table's copy of tea.brewed.v1 requires temperature")


def test_a_service_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    package = tmp_path / "not_on_the_path" / "not_on_the_path"
    package.mkdir(parents=True)
    (package / "events.py").write_text("")
    with pytest.raises(ContractError, match=r"cannot import not_on_the_path\.events: .* on the Python path\?"):
        load(tmp_path)
