"""Whatever the order of deliveries, repetitions, delays, lost answers, deadlines and cancellations: one legal end.

The three services' own handlers and effects on real databases; a provider that moves by the simulator's own table; and
a network in which Hypothesis decides what happens next. At the end everything outstanding is delivered.
"""

import dataclasses
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

import notification.handlers
import order.handlers
import payment.handlers
import provider.charges as provider_side
from chassis.claims import claim
from chassis.db import Cause, Database, Session
from chassis.effects import Step, effect_guard
from chassis.events import Envelope, uuid7
from chassis.outbox import emit, emitted
from chassis.results import Result
from chassis.runner import Runner
from chassis.settings import ServiceSettings
from notification.effects import Mail
from notification.mail import Receipt
from notification.models import Notification
from order.events import OrderCancelled, OrderPlaced
from order.models import Order, Product
from order.stock import Stock
from order.sweeper import expire_orders
from payment.effects import Charge, Refund, Void
from payment.models import Payment
from payment.provider import Charge as Answer
from payment.provider import RefusedError
from provider.problems import Problem

HANDLERS: dict[str, ModuleType] = {
    "order": order.handlers,
    "payment": payment.handlers,
    "notification": notification.handlers,
}
DatabaseOf = Callable[[str], Awaitable[Database]]


class FakeProvider:
    """Answers as the simulator does, by its own table, at once."""

    def __init__(self) -> None:
        self.charges: dict[UUID, provider_side.Charge] = {}
        self.entries: dict[UUID, list[str]] = defaultdict(list)

    async def charge(self, key: UUID, body: dict[str, Any]) -> Answer:
        declined = None if body["payment_token"] == "tok_ok" else "card_declined"
        request = provider_side.Charge(str(key), amount_cents=body["amount_cents"], decline_reason=declined)
        return self._do(key, provider_side.charge(request))

    async def void(self, key: UUID) -> Answer:
        return self._do(key, provider_side.void)

    async def refund(self, key: UUID) -> Answer:
        return self._do(key, provider_side.refund)

    def _do(self, key: UUID, step: provider_side.Step) -> Answer:
        try:
            outcome = step(self.charges.get(key, provider_side.Charge(str(key))))
        except Problem as error:
            raise RefusedError(str(error)) from None
        self.charges[key] = outcome.charge
        self.entries[key] += outcome.entries
        return Answer(status=outcome.charge.status, decline_reason=outcome.charge.decline_reason)


class FakeMailer:
    """Takes every mail."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, mail: Any) -> Receipt:
        self.sent.append(mail.recipient)
        return Receipt()


class World:
    """The services' databases and what is between them: queues in order, effects, and copies of what was delivered."""

    def __init__(self, databases: dict[str, Database]) -> None:
        self.databases = databases
        self.sku, self.order_id = f"T{uuid7()}", uuid7()
        self.provider, self.mailer = FakeProvider(), FakeMailer()
        self.queues: dict[tuple[str, str], list[Envelope]] = defaultdict(list)
        self.delivered: list[tuple[str, Envelope]] = []
        self.held: list[tuple[str, Result]] = []
        provider: Any = self.provider
        mailer: Any = self.mailer
        guard = effect_guard("provider", timeout_seconds=1, concurrency=1)
        steps: dict[str, list[Step]] = {
            "payment": [Charge(provider, guard, 60), Void(provider, guard), Refund(provider, guard)],
            "notification": [Mail(mailer, effect_guard("smtp", 1, 1))],
        }
        self.steps = {step.kind: step for kinds in steps.values() for step in kinds}
        self.runners = {name: self._runner(name, kinds) for name, kinds in steps.items()}
        for name, database in databases.items():
            database.listeners = [self._route(name)]

    def _runner(self, name: str, steps: list[Step]) -> Runner:
        config = ServiceSettings.model_construct(effect_concurrency=1, effect_lease_seconds=60)
        runner = Runner(self.databases[name], steps, HANDLERS[name].consumer.aggregate, config)
        self.databases[name].session_info.clear()  # nothing is handed over in memory: the test decides
        return runner

    def _route(self, name: str) -> Callable[[Session], None]:
        def route(session: Session) -> None:
            for emission in emitted(session):
                fields = dataclasses.asdict(emission)
                envelope = Envelope(
                    source=name,
                    time=datetime.now(UTC),
                    partition=fields.pop("shard"),
                    correlationid=fields.pop("correlation_id"),
                    causationid=fields.pop("causation_id"),
                    **{**fields, "data": json.loads(fields["data"])},
                )
                for listener, module in HANDLERS.items():
                    if emission.type in module.consumer._handlers:
                        self.queues[name, listener].append(envelope)

        return route

    async def place(self, token: str) -> None:
        """Ten tickets are on the shelf, and a customer orders two."""
        async with self.databases["order"].transaction("test") as session:
            session.add(Product(sku=self.sku, name="Ticket", price_cents=500, currency="EUR", version=1))
            await session.flush()
            session.add(Stock(sku=self.sku, stocked=10, available=10, reserved=0, sold=0))
            await session.flush()
            placed = await Order.place(
                session, uuid7(), {self.sku: 2}, customer="c", email="c@shop.example", ttl_seconds=600, partition=0
            )
            emit(session, placed, OrderPlaced.of(placed, token))
        self.order_id = placed.id

    async def deliver(self, n: int) -> None:
        """The next one to three events of some queue, as one batch."""
        waiting = [key for key, queue in self.queues.items() if queue]
        if waiting:
            key = waiting[n % len(waiting)]
            batch, self.queues[key] = self.queues[key][: 1 + n % 3], self.queues[key][1 + n % 3 :]
            self.delivered += [(key[1], envelope) for envelope in batch]
            await HANDLERS[key[1]].consumer.process(self.databases[key[1]], batch)

    async def repeat(self, n: int) -> None:
        """Something that was delivered before comes again."""
        if self.delivered:
            listener, envelope = self.delivered[n % len(self.delivered)]
            await HANDLERS[listener].consumer.process(self.databases[listener], [envelope])

    async def _perform(self, n: int) -> tuple[str, Result] | None:
        name = ("payment", "notification")[n % 2]
        async with self.databases[name].transaction("test", Cause.new()) as session:
            found = await claim(session, list(self.steps), 1, lease_seconds=0)
        if not found:
            return None
        return name, Result(found[0], await self.steps[found[0].kind].perform(found[0]))

    async def perform(self, n: int) -> None:
        """A call is made and its result written."""
        if done := await self._perform(n):
            await self.runners[done[0]]._writer.write_alone(done[1])

    async def lose(self, n: int) -> None:
        """A call is made and its answer does not arrive, or not yet."""
        if done := await self._perform(n):
            self.held.append(done)

    async def arrive_late(self, n: int) -> None:
        """An answer that was held back arrives."""
        if self.held:
            name, result = self.held.pop(n % len(self.held))
            await self.runners[name]._writer.write_alone(result)

    async def give_up(self, _: int) -> None:
        """A charge that is waiting runs into its deadline."""
        async with self.databases["payment"].transaction("test", Cause.new()) as session:
            found = await claim(session, list(self.steps), 1, lease_seconds=0)
        for effect in found:
            expired = dataclasses.replace(effect, expired=effect.kind == "charge")
            result = Result(expired) if expired.expired else Result(effect, later="not a charge")
            await self.runners["payment"]._writer.write_alone(result)
            await self._make_due()

    async def expire(self, _: int) -> None:
        """The order's deadline passes."""
        async with self.databases["order"].transaction("test") as session:
            await session.execute(text("UPDATE orders SET expires_at = now() WHERE status = 'pending'"))
        await expire_orders(self.databases["order"])

    async def cancel(self, _: int) -> None:
        """The customer cancels."""
        async with self.databases["order"].transaction("test") as session:
            placed = await session.locked(Order, self.order_id)
            assert placed is not None
            if placed.cancel(session, "cancel", "customer_request"):
                emit(session, placed, OrderCancelled.of(placed))

    async def _make_due(self) -> None:
        async with self.databases["payment"].transaction("test") as session:
            await session.execute(text("UPDATE effects SET due_at = now() WHERE done_at IS NULL"))

    async def settle_down(self) -> None:
        """Everything outstanding happens, and then the order's deadline passes."""
        await self._all_quiet()
        while self.held:
            await self.arrive_late(0)
        await self.expire(0)
        await self._all_quiet()

    async def _all_quiet(self) -> None:
        busy = True
        while busy:
            busy = any(self.queues.values())
            await self.deliver(0)
            for n in (0, 1):
                if done := await self._perform(n):
                    busy = True
                    await self.runners[done[0]]._writer.write_alone(done[1])


ACTIONS = ("deliver", "deliver", "perform", "perform", "repeat", "lose", "arrive_late", "give_up", "expire", "cancel")


@pytest.fixture(scope="module")
async def databases(database_of: DatabaseOf) -> AsyncIterator[dict[str, Database]]:
    databases = {name: await database_of(name) for name in HANDLERS}
    yield databases
    for database in databases.values():
        await database.close()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    token=st.sampled_from(["tok_ok", "tok_ok", "tok_declined"]),
    plan=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 7)), max_size=25),
)
async def test_any_interleaving_ends_well(
    databases: dict[str, Database], token: str, plan: list[tuple[str, int]]
) -> None:
    world = World(databases)
    await world.place(token)
    for action, n in plan:
        await getattr(world, action)(n)
    await world.settle_down()
    await check(world)


async def check(world: World) -> None:
    """A terminal order; stock and money to match; nothing parked; each mail once in the books."""
    async with world.databases["order"].query("primary") as session:
        placed = await session.get_one(Order, world.order_id)
        stock = await session.get_one(Stock, world.sku)
    assert placed.status in ("confirmed", "cancelled")
    assert (stock.available, stock.reserved, stock.sold) == ((8, 0, 2) if placed.status == "confirmed" else (10, 0, 0))
    entries = world.provider.entries[world.order_id]
    captures, refunds = entries.count("capture"), entries.count("refund")
    assert (captures, refunds) in ([(1, 0)] if placed.status == "confirmed" else [(0, 0), (1, 1)])
    for database in world.databases.values():
        async with database.query("primary") as session:
            assert (await session.execute(text("SELECT source, type, reason FROM parked"))).all() == []
            assert await session.scalar(text("SELECT count(*) FROM effects WHERE done_at IS NULL")) == 0
    async with world.databases["payment"].query("primary") as session:
        status = (await session.get_one(Payment, world.order_id)).status
    assert status in ({"captured"} if placed.status == "confirmed" else {"declined", "voided", "refunded"})
    async with world.databases["notification"].query("primary") as session:
        mails = select(Notification).where(Notification.order_id == world.order_id)
        kinds = {mail.kind for mail in await session.scalars(mails) if mail.status == "sent"}
    assert f"order_{placed.status}" in kinds
    assert ("payment_refunded" in kinds) == (status == "refunded")
