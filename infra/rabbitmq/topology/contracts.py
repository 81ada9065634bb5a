"""The services' contracts: found in their `events.py`, and refused if they do not fit together.

What nobody publishes can never arrive, and what nobody hears is lost without a trace: neither gets as far as a broker.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path

from chassis.events import Contract, Event
from topology.files import HERE

SERVICES = HERE.parents[2] / "services"


class ContractError(SystemExit):
    """The contracts contradict each other: printed as one sentence, with exit status 1."""


def load(services: Path = SERVICES) -> list[Contract]:
    """The contract of every service that has one, by name. A new service is found, not registered."""
    contracts = []
    for file in sorted(services.glob("*/*/events.py")):
        module = f"{file.parent.name}.events"
        try:
            contract = getattr(importlib.import_module(module), "CONTRACT", None)
        except ImportError as error:
            raise ContractError(f"cannot import {module}: {error}; is {file.parents[1]} on the Python path?") from None
        if isinstance(contract, Contract):
            contracts.append(contract)
    return contracts


def subscribers(contracts: Sequence[Contract], vhost: str) -> list[Contract]:
    """Who listens in a vhost."""
    return [contract for contract in contracts if contract.consumes.get(vhost)]


def publishers(contracts: Sequence[Contract]) -> dict[tuple[str, str], type[Event]]:
    """The publisher's own class of every (vhost, type)."""
    return {(contract.vhost, event.type): event for contract in contracts for event in contract.publishes}


def refuse_contradictions(contracts: Sequence[Contract]) -> None:
    """Raises `ContractError` for the first thing that does not fit."""
    _refuse_shared(contracts)
    published = publishers(contracts)
    heard: set[str] = set()
    for contract in contracts:
        for vhost, events in contract.consumes.items():
            for event in events:
                _refuse_deaf(contract, vhost, event, published)
                heard.add(event.type)
    for contract in contracts:
        _refuse_unheard(contract, heard)


def _refuse_shared(contracts: Sequence[Contract]) -> None:
    owner_of_vhost: dict[str, str] = {}
    owner_of_type: dict[str, str] = {}
    for contract in contracts:
        other = owner_of_vhost.setdefault(contract.vhost, contract.service)
        if other != contract.service:
            raise ContractError(
                f"{other} and {contract.service} both publish in vhost {contract.vhost}: give each its own"
            )
        for event in contract.publishes:
            other = owner_of_type.setdefault(event.type, contract.service)
            if other != contract.service:
                raise ContractError(
                    f"{other} and {contract.service} both publish {event.type}: a fact has one owner, so"
                    " give one of them another name"
                )


def _refuse_deaf(
    contract: Contract, vhost: str, event: type[Event], published: dict[tuple[str, str], type[Event]]
) -> None:
    source = published.get((vhost, event.type))
    if source is None:
        elsewhere = [other for other, type_ in published if type_ == event.type]
        hint = f"it is published in {elsewhere[0]}" if elsewhere else "add it to a publisher or stop consuming it"
        raise ContractError(
            f"{contract.service} consumes {event.type} from vhost {vhost}, where nobody publishes it: {hint}"
        )
    required = {name for name, field in event.model_fields.items() if field.is_required()}
    lacking = sorted(required - set(source.model_fields))
    if lacking:
        raise ContractError(
            f"{contract.service}'s copy of {event.type} requires {', '.join(lacking)}, which the publisher does not"
            " send: give it a default or let the publisher add it"
        )


def _refuse_unheard(contract: Contract, heard: set[str]) -> None:
    published = {event.type for event in contract.publishes}
    unheard = {event.type for event in contract.without_subscribers}
    for type_ in sorted(published - heard - unheard):
        raise ContractError(
            f"{contract.service} publishes {type_}, which nobody consumes: subscribe to it, or declare it in"
            " without_subscribers"
        )
    for type_ in sorted(unheard & heard):
        raise ContractError(
            f"{contract.service} declares {type_} in without_subscribers, but it is consumed: take it out, or a lost"
            " binding would go unnoticed"
        )
    for type_ in sorted(unheard - published):
        raise ContractError(f"{contract.service} declares {type_} in without_subscribers but does not publish it")
