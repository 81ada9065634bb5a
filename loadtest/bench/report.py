"""The results as a person reads them."""

from collections import Counter
from collections.abc import Iterator

from bench import cpu
from bench.limit import CLIENTS
from bench.run import Load, Results, cores, percentile

PERCENTS = (50, 95, 99)


def lines(results: Results, concurrency: int) -> Iterator[str]:
    """The report."""
    load, limit = results.load, results.limit
    yield f"{load.accepted} orders at concurrency {concurrency}{_refusals(load)}"
    yield _line("from the first POST to the last mail, s", f"{load.to_last_mail:.2f}")
    yield _line("sagas/s", f"{load.sagas_per_second:.0f}")
    yield _line(f"the limit: SQL alone, {CLIENTS} clients, sagas/s", f"{limit.sagas_per_second:.0f}")
    yield _line("share of the limit, %", f"{100 * load.sagas_per_second / limit.sagas_per_second:.1f}")
    yield ""
    yield _line("milliseconds", *(f"p{percent}" for percent in PERCENTS))
    yield _percentiles("placing an order (HTTP, at the edge)", [order.seconds for order in load.orders])
    yield _percentiles("completing it (placed to confirmed)", load.completions)
    yield _percentiles(f"a lone order, POST to confirmed (of {len(results.lone)})", results.lone)
    yield ""
    yield from _costs(load)
    yield _line("for comparison, the SQL alone", f"{limit.postgres_ms:.2f}")


def _refusals(load: Load) -> str:
    """What the others were told, if there are others: they do not count as sagas."""
    refused = Counter(str(order.status) for order in load.orders if order.id is None)
    return "".join(f"; {count} more were answered {status}" for status, count in refused.most_common())


def _costs(load: Load) -> Iterator[str]:
    mine = {name: seconds for name, seconds in load.cpu.items() if name != cpu.ELSEWHERE}
    yield _line("CPU milliseconds per saga", "until at rest")
    for name, seconds in (*mine.items(), ("all of it", sum(mine.values()))):
        yield _line(name, f"{1000 * seconds / load.accepted:.2f}")
    generator = load.cpu[cpu.GENERATOR] / load.to_rest
    elsewhere = load.cpu[cpu.ELSEWHERE] / (cores() * load.to_rest)
    yield _line("generator, % of one core", f"{100 * generator:.0f}")
    yield _line(f"{cpu.ELSEWHERE}, % of its {cores()} cores", f"{100 * elsewhere:.0f}")


def _percentiles(name: str, seconds: list[float]) -> str:
    return _line(name, *(f"{1000 * percentile(seconds, percent):.0f}" for percent in PERCENTS))


def _line(name: str, *values: str) -> str:
    return f"  {name:48}" + "".join(f"{value:>9}" for value in values)
