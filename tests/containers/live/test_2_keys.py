"""The public keys of tokens, replaced while services run."""

import asyncio
import shutil

import aiohttp

from bearer import Tokens
from compose import Project, before, docker
from native.ports import HOST
from outside.waiting import eventually

READ = "token keys read again"


async def test_keys_that_are_replaced_are_read_without_a_restart(
    project: Project, session: aiohttp.ClientSession
) -> None:
    url, visitor = f"http://{HOST}:{project.port('EDGE_PORT')}/orders", Tokens.load(project.name).header("me")

    async def times_read() -> int:
        async with session.get(url, headers=visitor) as answer:
            assert answer.status == 200
        return (await asyncio.to_thread(docker.both, "logs", project.find("order").id)).count(READ)

    before_that = await times_read()
    file = before.secrets_directory() / before.TOKEN_KEYS
    fresh = file.with_suffix(".new")
    shutil.copy(file, fresh)
    fresh.replace(file)  # the same keys: the committed file stays what it is
    await eventually(times_read, lambda times: times > before_that)
