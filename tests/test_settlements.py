"""A day's settlement over HTTP: for the shop itself, once the day is over."""

from datetime import UTC, datetime, timedelta

import pytest

from outside.shop import Shop
from outside.waiting import eventually


async def test_yesterday_is_settled_without_anybody_asking(shop: Shop) -> None:
    day = (datetime.now(UTC) - timedelta(minutes=30)).date() - timedelta(days=1)
    answer = await eventually(
        lambda: shop.ask("GET", f"/settlements/{day}", customer="admin"), lambda answer: answer.status == 200
    )
    assert answer.json()["day"] == f"{day}"


@pytest.mark.parametrize(
    ("day", "customer", "status"),
    [("2020-01-01", "admin", 404), ("2020-01-01", "somebody", 403), ("2020-01-01", None, 401), ("x", "admin", 422)],
)
async def test_others_are_refused(shop: Shop, day: str, customer: str | None, status: int) -> None:
    answer = await shop.ask("GET", f"/settlements/{day}", customer=customer)
    assert answer.status == status
    assert answer.is_problem
