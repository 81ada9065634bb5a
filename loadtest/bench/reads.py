"""python -m bench.reads: reads of a product per second from each place that can answer; the stack must be up.

One after the other in turns, so that whatever else the machine does strikes all alike. The edge is asked at its own
address, everything behind it at one instance of the order service: an edge that waits for a service measures that.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass

import uvloop

from bearer import Tokens
from bench.client import BrokenOffError, connect, request
from native import Stack, StackError
from native.layout import DEFAULT_STACK
from native.ports import HOST

SKU = "bench-reads"
CONNECTIONS = 8
TURNS = 5
AT_MOST = 15_000  # reads of each place: the edge lets one address ask 20,000 times in ten seconds
PRODUCT = {"name": "Bench", "price_cents": 1000, "stocked": 1}
PRIMARY = {"x_consistency_token": "primary"}  # no token of anybody's: the primary, please


@dataclass(frozen=True)
class Place:
    """Somewhere to read from. A page of one product is what neither cache behind the edge keeps."""

    name: str
    component: str
    content: bytes


PLACES = (
    Place("edge cache", "edge", request("GET", f"/products/{SKU}")),
    Place("Redis", "order", request("GET", f"/products/{SKU}")),
    Place("replica", "order", request("GET", "/products?limit=1")),
    Place("primary", "order", request("GET", "/products?limit=1", **PRIMARY)),
)


async def measure(stack: Stack, seconds: float) -> dict[str, float]:
    """Answers per second, by place."""
    edge = await connect(HOST, stack.ports["edge"])
    await edge.request(request("PUT", f"/products/{SKU}", PRODUCT, **Tokens.load(stack.name).header("admin")))
    edge.close()
    answers = dict.fromkeys((place.name for place in PLACES), 0)
    taken = dict.fromkeys(answers, 0.0)
    for _ in range(TURNS):
        for place in PLACES:
            began = time.perf_counter()
            clients = (_client(stack, place, began + seconds / TURNS) for _ in range(CONNECTIONS))
            answers[place.name] += sum(await asyncio.gather(*clients))
            taken[place.name] += time.perf_counter() - began
    return {name: count / taken[name] for name, count in answers.items()}


async def _client(stack: Stack, place: Place, until: float) -> int:
    connection, answers = await connect(HOST, stack.ports[place.component]), 0
    try:
        while answers < AT_MOST // TURNS // CONNECTIONS and time.perf_counter() < until:
            answer = await connection.request(place.content)
            if answer.status != 200:
                raise SystemExit(
                    f"{place.name}: a read was answered {answer.status}: wait half a minute, then try again"
                )
            answers += 1
    except BrokenOffError as error:
        raise SystemExit(f"{place.name}: the connection broke: {error}; see make status") from None
    finally:
        connection.close()
    return answers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.reads", description="Reads a second, place by place.")
    parser.add_argument("--seconds", type=float, default=5, help="for each place (5)")
    parser.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="its name (env STACK)")
    arguments = parser.parse_args()
    try:
        rates = uvloop.run(measure(Stack(arguments.stack), arguments.seconds))
    except StackError as error:
        raise SystemExit(str(error)) from None
    for name, rate in rates.items():
        print(f"{name:12} {rate:8.0f}/s  {rate / max(rates['primary'], 1):6.1f} times the primary")


if __name__ == "__main__":
    main()
