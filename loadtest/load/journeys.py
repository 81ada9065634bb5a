"""What a visitor does, request by request: look, order, wait for the end, change one's mind, look back."""

from uuid import UUID

import gevent

from load.identity import Identity
from load.shopper import CONSISTENCY, Answer, Shopper
from load.visits import Visit
from verify.told import ACCEPTED, Recorder, Told

FIRST_LOOK_SECONDS, LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS = 0.25, 2.0, 60.0
REGRET_SECONDS = 0.3


class Journey:
    """One visitor's way. Each request is due when the visitor wants it: at arrival, or so long after an answer."""

    def __init__(self, shopper: Shopper, identity: Identity, recorder: Recorder, visit: Visit) -> None:
        self._shopper = shopper
        self._headers = identity.headers(visit.customer)
        self._recorder = recorder
        self._visit = visit

    def go(self, due: float) -> None:
        """All of it; returns when the visitor leaves."""
        if self._visit.card is None:
            self._browse(due)
        else:
            self._order(due)

    def _browse(self, due: float) -> None:
        visit = self._visit
        self._ask("GET /products", "GET", "/products?limit=20", due)
        self._ask("GET /products/{sku}", "GET", f"/products/{visit.sku}", self._shopper.now())
        self._ask("GET /products/{sku}/stock", "GET", f"/products/{visit.sku}/stock", self._shopper.now())

    def _order(self, due: float) -> None:
        visit = self._visit
        answer = self._place(due)
        if answer.status != ACCEPTED:
            return
        if answer.consistency_token:
            self._headers = {**self._headers, CONSISTENCY: answer.consistency_token}
        order = f"/orders/{answer.body['id']}"
        if visit.regrets:
            self._ask("POST /orders/{id}/cancel", "POST", f"{order}/cancel", self._after(REGRET_SECONDS))
        if visit.watches:
            self._watch(order)
        if visit.looks_back:
            self._ask("GET /orders/{id}/timeline", "GET", f"{order}/timeline", self._shopper.now())

    def _place(self, due: float) -> Answer:
        visit = self._visit
        items = [{"sku": visit.sku, "quantity": visit.quantity}]
        body = {"items": items, "payment_token": visit.card, "email": visit.email}
        answer = self._ask("POST /orders", "POST", "/orders", due, body, key=visit.key)
        self._recorder.add(
            Told(
                key=visit.key,
                customer=visit.customer,
                items={visit.sku: visit.quantity},
                status=answer.status or "timeout",
                order_id=UUID(answer.body["id"]) if answer.status == ACCEPTED else None,
            )
        )
        return answer

    def _watch(self, order: str) -> None:
        """Look until the order is at its end; the first looks are soon, the later ones patient."""
        deadline, pause = self._shopper.now() + PATIENCE_SECONDS, FIRST_LOOK_SECONDS
        while self._shopper.now() < deadline:
            answer = self._ask("GET /orders/{id}", "GET", order, self._after(pause))
            if answer.status == 404 or (answer.status == 200 and answer.body["status"] != "pending"):
                return
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)

    def _after(self, seconds: float) -> float:
        """Wait; when the next request is due, which is before this returns where the generator is late."""
        due = self._shopper.now() + seconds
        gevent.sleep(seconds)
        return due

    def _ask(self, name: str, method: str, path: str, due: float, body: object = None, *, key: str = "") -> Answer:
        headers = {**self._headers, "Idempotency-Key": key} if key else self._headers
        return self._shopper.ask(name, method, path, due=due, visit=self._visit.number, headers=headers, body=body)
