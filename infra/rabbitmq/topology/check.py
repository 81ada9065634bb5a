"""Shows a person that the border holds: every attempt, connection by connection, and what came of it."""

import asyncio
import itertools
import logging

from topology.attempts import outcome
from topology.border import Attempt, attempts
from topology.contracts import load
from topology.environment import number, refuse_unknown, secret, setting


def run() -> int:
    """Make every attempt. Returns 1 if one did not end as it must."""
    refuse_unknown()
    logging.disable(logging.CRITICAL)  # the client logs every refusal, and refusals are what is wanted
    host, port = setting("QS_BROKER_HOST", "127.0.0.1"), number("QS_BROKER_PORT", "5672")
    tries = attempts(load())
    passwords = {user: secret(user) for user in {attempt.user for attempt in tries}}
    return asyncio.run(show(tries, host, port, passwords))


async def show(tries: list[Attempt], host: str, port: int, passwords: dict[str, str]) -> int:
    """One line per attempt, and the sum of it."""
    wrong = 0
    for (user, vhost), group in itertools.groupby(tries, key=lambda attempt: (attempt.user, attempt.vhost)):
        print(f"\nuser {user} in vhost {vhost}")
        for attempt in group:
            try:
                result = await outcome(attempt, host, port, passwords[user])
            except OSError as error:
                raise SystemExit(f"user {user} cannot reach the broker at {host}:{port}: {error}") from None
            wrong += result != attempt.expected
            print(line(attempt, result))
    verdict = (
        "the border holds" if not wrong else "the border does not hold: compare with python -m topology apply --check"
    )
    print(f"\n{len(tries) - wrong} of {len(tries)} attempts ended as they must: {verdict}")
    return 1 if wrong else 0


def line(attempt: Attempt, result: str) -> str:
    """`ok`, or what should have been."""
    if result == attempt.expected:
        return f"  ok     {attempt!s:<52} {result}"
    return f"  WRONG  {attempt!s:<52} {result}, must be {attempt.expected}"
