"""Invariants 2 and 4: every order has come to an end, and stock is where the orders say."""

from collections import Counter

from verify.report import Result
from verify.rows import Facts, Stock


def check_terminal(facts: Facts) -> Result:
    """2. Every order is terminal: accepted = confirmed + cancelled."""
    states = Counter(order.status for order in facts.orders.values())
    counts = {"accepted": len(facts.orders), "confirmed": states["confirmed"], "cancelled": states["cancelled"]}
    result = Result(2, "terminal", counts)
    open_ = {order.id for order in facts.orders.values() if order.status not in ("confirmed", "cancelled")}
    result.blame("it is neither confirmed nor cancelled", open_)
    return result


def check_stock(facts: Facts) -> Result:
    """4. Per product stocked = available + reserved + sold, none negative, reserved = 0, sold = what was confirmed."""
    result = Result(4, "stock", {"products": len(facts.stock), "sold": sum(row.sold for row in facts.stock)})
    rows = facts.stock
    result.counts["oversold"] = result.blame("more are confirmed than were stocked", map(_shown, filter(_over, rows)))
    result.blame("stocked is not available + reserved + sold", map(_shown, filter(_unbalanced, rows)))
    result.blame("a count is negative", [_shown(r) for r in rows if min(r.available, r.reserved, r.sold) < 0])
    held = [_shown(row) for row in rows if row.reserved != row.pending]
    result.blame("reserved is not what the pending orders hold (at rest: nothing)", held)
    wrong = [row for row in rows if row.sold != row.confirmed]
    result.blame("sold is not what the confirmed orders hold", map(_shown, wrong))
    return result


def _over(row: Stock) -> bool:
    return row.confirmed > row.stocked


def _unbalanced(row: Stock) -> bool:
    return row.stocked != row.available + row.reserved + row.sold


def _shown(row: Stock) -> str:
    return (
        f"{row.sku}: stocked {row.stocked}, available {row.available}, reserved {row.reserved}, sold {row.sold};"
        f" confirmed orders hold {row.confirmed}"
    )
