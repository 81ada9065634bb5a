"""What an order cost: everything that was used from the first visitor until all was at rest, divided by the orders."""

from typing import Any

from bench import cpu


def per_order(results: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds and kilobytes. The generator is listed, but is no part of the system."""
    used = results["system"]
    orders = sum(results["outcomes"].values())
    share = max(1, orders)
    return {
        "orders": orders,
        "components": [_component(name, used, share) for name in used["cpu"]],
        "cpu_ms": 1000
        * sum(s for name, s in used["cpu"].items() if name not in (cpu.GENERATOR, cpu.ELSEWHERE))
        / share,
        "wal_kb": used["wal_bytes"] / 1000 / share,
        "database_kb": used["database_bytes"] / 1000 / share,
        "commits": used["commits"] / share,
        "flushes": None if used["flushes"] is None else used["flushes"] / share,
        "events": results["events"] / share,
        "event_bytes": results["event_bytes"] / max(1, results["events"]),
        "connections": round(used["connections"]),
    }


def _component(name: str, used: dict[str, Any], orders: int) -> dict[str, Any]:
    written, memory = used["written"].get(name), used["memory"].get(name)
    return {
        "name": name,
        "cpu_ms": 1000 * used["cpu"][name] / orders,
        "cpu_share": used["cpu"][name] / (used["seconds"] * (used["cores"] or 1)),
        "written_kb": None if written is None else written / 1000 / orders,
        "memory_mb": None if memory is None else memory / 1e6,
    }
