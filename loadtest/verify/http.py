"""Asking the management API, the provider and the mail server: JSON, or one sentence why not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from verify.errors import CannotCheckError

TIMEOUT_SECONDS = 60.0  # a page of ten thousand rows on a busy machine


@asynccontextmanager
async def session(user: str = "", password: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """A client, with basic authentication if a user is named."""
    headers = {"Authorization": aiohttp.encode_basic_auth(user, password)} if user else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
        yield client


async def get(client: aiohttp.ClientSession, url: str, **parameters: str | int) -> Any:
    """The document there. Raises `CannotCheckError` naming what does not answer, or how."""
    try:
        async with client.get(url, params=parameters) as answer:
            if answer.status != 200:
                raise CannotCheckError(f"{url} answered {answer.status}: {(await answer.text())[:200]}")
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CannotCheckError(f"{url} does not answer ({error or type(error).__name__}); see make status") from None
