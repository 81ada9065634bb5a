"""What a run has to sell: which products, how many of each, and how the shop is told."""

from typing import Any

from load.profiles import Shelf

PLENTY = 1_000_000_000


def stock(run: str, shelf: Shelf, expected_orders: float) -> dict[str, int]:
    """Pieces by product, the hot ones first. What is on sale is new in each run."""
    if shelf.on_sale:
        return {f"onsale-{run}": max(1, int(shelf.stock_share * expected_orders))}
    return {f"load-{number}": PLENTY for number in range(shelf.products)}


def product(sku: str, pieces: int) -> dict[str, Any]:
    """The body of PUT /products/{sku}; the same however often it is sent."""
    return {"name": f"Load test {sku}"[:200], "price_cents": 1000, "stocked": pieces}
