"""A whole service as a process: it does everything at once, ends in good order, and tells why it cannot start."""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from chassis_broker import Broker
from chassis_kit import SettingsOf, Sql, eventually
from chassis_shop import CUSTOMER

from bearer import Tokens
from chassis.settings import ServiceSettings
from native import Stack, free_base

PARTITIONS = 2


@dataclass
class Maker:
    """One process of the service `maker`."""

    process: asyncio.subprocess.Process
    settings: ServiceSettings
    http: aiohttp.ClientSession
    tokens: Tokens

    async def make(self, number: int) -> int:
        """Ask for a thing."""
        headers = {**self.tokens.header(CUSTOMER), "Idempotency-Key": str(number)}
        url = f"http://127.0.0.1:{self.settings.http_port}/things"
        async with self.http.post(url, json={"word": "made"}, headers=headers) as answer:
            return answer.status

    async def readiness(self) -> int:
        """What the edge sees; 0 where nobody answers."""
        try:
            async with self.http.get(f"http://127.0.0.1:{self.settings.internal_port}/readyz") as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            return 0


@pytest.fixture(scope="module")
async def settings_of_maker(
    settings: SettingsOf, broker: Broker, new_database: Callable[[str], str], stack: Stack
) -> ServiceSettings:
    """All it needs: a database at its version, its queues, two ports."""
    name = await asyncio.to_thread(new_database, "maker")
    await asyncio.to_thread(stack.sql, "CREATE TABLE alembic_version AS SELECT '0002' AS version_num", database=name)
    for partition in range(PARTITIONS):
        await broker.listener(f"maker.p{partition:02d}", f"p{partition:02d}.#", arguments={"x-queue-type": "quorum"})
    await broker.partition("maker.dead")
    base = free_base()
    return settings(database_name=name, http_port=base, internal_port=base + 1, partitions=PARTITIONS)


@pytest.fixture
async def made(settings_of_maker: ServiceSettings) -> AsyncIterator[Sql]:
    """The test's own view of its database."""
    ((host, port),) = settings_of_maker.nodes
    name = settings_of_maker.database_name
    connection: Sql = await asyncpg.connect(host=host, port=port, user="postgres", database=name)
    yield connection
    await connection.close()


async def spawn(settings: ServiceSettings, vhost: str, secrets: Path, **changes: str) -> asyncio.subprocess.Process:
    """Start the process with these settings."""
    given = {f"QS_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}
    for name in ("database_password", "broker_password"):
        (secrets / name).write_text(getattr(settings, name).get_secret_value())
        del given[f"QS_{name.upper()}"]
    del given["QS_ENVIRONMENT"]
    own = {"QS_SECRETS_DIR": str(secrets), "MAKER_VHOST": vhost, "PATH": os.environ["PATH"]}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis", "serve", "maker"),
        env={**given, **own, **changes},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def serving(settings: ServiceSettings, vhost: str, secrets: Path, tokens: Tokens) -> AsyncIterator[Maker]:
    """The service, ready, and gone at the end of the block."""
    process = await spawn(settings, vhost, secrets)
    async with aiohttp.ClientSession() as http:
        maker = Maker(process, settings, http, tokens)
        try:
            await eventually(lambda: _ready(maker))
            yield maker
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def _ready(maker: Maker) -> bool:
    assert maker.process.returncode is None, "it ended instead"
    return await maker.readiness() == 200


async def words(sql: Sql) -> Counter[str]:
    return Counter(row["word"] for row in await sql.fetch("SELECT word FROM notes"))


async def are(sql: Sql, count: int) -> bool:
    return await words(sql) == {"made": count, "ok": count}


async def test_a_command_goes_all_the_way_and_nothing_is_lost_or_repeated_when_the_process_is_stopped_in_between(
    settings_of_maker: ServiceSettings, broker: Broker, made: Sql, tmp_path: Path, tokens: Tokens
) -> None:
    async with serving(settings_of_maker, broker.name, tmp_path, tokens) as maker:
        assert await maker.make(0) == 201
        await eventually(lambda: are(made, 1))
        assert set(await asyncio.gather(*(maker.make(number) for number in range(1, 61)))) == {201}
        maker.process.send_signal(signal.SIGTERM)
        await eventually(lambda: _unready(maker))
        assert await maker.make(61) == 201  # the edge has not noticed yet
        assert await asyncio.wait_for(maker.process.wait(), 15) == 0
    assert await made.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
    assert await made.fetchval("SELECT count(*) FROM effects WHERE done_at IS NULL AND leased_until IS NOT NULL") == 0
    async with serving(settings_of_maker, broker.name, tmp_path, tokens):
        await eventually(lambda: are(made, 62))
    assert await made.fetchval("SELECT count(*) FROM parked") == 0


async def _unready(maker: Maker) -> bool:
    return await maker.readiness() == 503


# Each once found while starting, once while running everything at the same time; the others are tested where they are
# raised, because a process takes a second to start.
FAULTS = {
    "a missing queue": ({"QS_PARTITIONS": "3"}, "queue 'maker.p02' is missing in vhost"),
    "a taken port": ({"QS_HTTP_PORT": "taken"}, "cannot listen on 127.0.0.1:"),
}


@pytest.fixture(scope="module")
async def refusals(
    settings_of_maker: ServiceSettings, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int | None, str]]:
    """What a process with each fault ends with: its status and its last words. All start at once: that is shorter."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        async def start(changes: dict[str, str]) -> tuple[int | None, str]:
            secrets = tmp_path_factory.mktemp("secrets")
            given = {name: port if value == "taken" else value for name, value in changes.items()}
            process = await spawn(settings_of_maker, broker.name, secrets, **given)
            _, complaint = await process.communicate()
            return process.returncode, complaint.decode()

        ends = await asyncio.gather(*(start(changes) for changes, _ in FAULTS.values()))
    return dict(zip(FAULTS, ends, strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_service_that_cannot_start_says_why_in_one_sentence(
    refusals: dict[str, tuple[int | None, str]], fault: str
) -> None:
    status, complaint = refusals[fault]
    assert status == 1
    assert FAULTS[fault][1] in complaint
    assert len(complaint.splitlines()) == 1
