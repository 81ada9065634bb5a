"""An HTTP service of the tests' own, on a port of its own: what a command does in each attempt is up to the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import aiohttp
from chassis_kit import Thing, eventually, make
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from bearer import Tokens
from chassis.admission import Admission
from chassis.app import create_api
from chassis.db import Database, Session
from chassis.errors import ProblemError
from chassis.http import (
    Admin,
    CommandId,
    Customer,
    FreshQuerySession,
    QuerySession,
    ServiceRoute,
    TransactionSession,
    idempotent,
)
from chassis.reads import Reads
from chassis.redis import Redis
from chassis.serving import Server
from chassis.settings import ServiceSettings
from chassis.throttle import Throttle

Act = Callable[[Session], Awaitable[None]]
CUSTOMER = "somebody"

router = APIRouter(prefix="/things", route_class=ServiceRoute)


class Line(BaseModel):
    """A part of a wish."""

    quantity: int = Field(ge=1)


class Wish(BaseModel):
    """What a thing is made of."""

    model_config = ConfigDict(extra="forbid")

    word: str = Field(max_length=100_000)
    lines: list[Line] = []


class Made(BaseModel):
    """The thing there is now."""

    id: UUID
    word: str


async def steps(request: Request) -> AsyncIterator[list[str]]:
    """A dependency that must be closed within its attempt."""
    seen: list[str] = request.app.state.seen
    seen.append("open")
    try:
        yield seen
    finally:
        seen.append("close")


async def planned(request: Request) -> Act:
    """What the test has planned for this attempt."""
    plan: list[Act] = getattr(request.app.state, "plan", [])
    return plan.pop(0) if plan else nothing


async def nothing(_: Session) -> None:
    """An attempt without incident."""


Steps = Annotated[list[str], Depends(steps, scope="function")]
Planned = Annotated[Act, Depends(planned)]


@router.post("", status_code=201)
@idempotent
async def make_thing(
    wish: Wish, customer: Customer, id_: CommandId, *, session: TransactionSession, act: Planned, response: Response
) -> Made:
    """A command with an idempotency key."""
    make(session, wish.word, id_=id_)
    await act(session)
    response.headers["Location"] = f"/things/{id_}"
    return Made(id=id_, word=f"{wish.word} for {customer}")


@router.post("/{name}/touch")
@idempotent
async def touch_thing(name: str, id_: CommandId) -> Made:
    """A keyed command on one thing."""
    return Made(id=id_, word=name)


@router.put("/{number}")
async def put_thing(number: int, seen: Steps, act: Planned, session: TransactionSession) -> dict[str, int]:
    """A command without a key."""
    seen.append("do")
    await act(session)
    return {"number": number}


@router.get("")
async def count_things(session: FreshQuerySession, limit: Annotated[int, Query(ge=1, le=100)] = 1) -> dict[str, int]:
    """A query."""
    return {"count": await session.scalar(select(func.count()).select_from(Thing)) or 0, "limit": limit}


@router.get("/{id_}")
async def read_thing(id_: UUID, session: QuerySession, act: Planned) -> dict[str, str]:
    """A query that may be answered by the replica."""
    await act(session)
    if (thing := await session.get(Thing, id_)) is None:
        raise ProblemError(404, "there is no such thing")
    return {"label": thing.label}


@router.delete("", dependencies=[Admin])
async def drop_things() -> None:
    """For the shop itself."""


async def refuse(_: Session) -> None:
    """An attempt that the model refuses."""
    raise ProblemError(409, "there is not enough", products=["a"])


async def crash(_: Session) -> None:
    """An attempt that meets a bug."""
    raise LookupError("tok_secret")


class Shop:
    """The service and its one client."""

    def __init__(self, http: aiohttp.ClientSession, api: FastAPI, port: int, tokens: Tokens) -> None:
        self.tokens = tokens
        self.http = http
        self.state = api.state
        self.port = port

    def plan(self, database: Database, *acts: Act) -> None:
        """What the attempts of the next command do, one after the other; further ones do nothing more."""
        self.state.database = database
        self.state.reads = Reads(database)
        self.state.plan = list(acts)
        self.state.seen = []

    async def make(self, key: str = "key", word: str = "hello", **headers: str) -> "Answer":
        """`POST /things`."""
        return await self.ask("POST", "/things", json={"word": word}, headers={"Idempotency-Key": key, **headers})

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> "Answer":
        """Any request, from the customer unless the headers say otherwise."""
        sent = {**self.tokens.header(CUSTOMER), **(headers or {})}
        async with self.http.request(method, path, headers=sent, **options) as response:
            return Answer(response.status, dict(response.headers), await response.read(), await _json(response))


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], raw: bytes, body: Any) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.raw = raw
        self.body = body


async def _json(response: aiohttp.ClientResponse) -> Any:
    return await response.json(content_type=None) if "json" in response.content_type else None


@asynccontextmanager
async def open_shop(settings: ServiceSettings, database: Database, tokens: Tokens) -> AsyncIterator[Shop]:
    """Serve for as long as the block lasts."""
    redis = Redis(settings.model_copy(update={"redis_timeout_seconds": 5.0}))  # the machine may be busy
    backlog = [0.0]
    throttle = Throttle(redis, settings.customer_requests_per_second, settings.customer_burst)
    admission = Admission(throttle, lambda: backlog[0], settings.most_backlog_seconds)
    api = create_api(settings, Reads(database), [router], admission=admission, backlog=backlog)
    server = Server(api, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: _started(server))
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        yield Shop(http, api, port, tokens)
    server.should_exit = True
    await serving
    await redis.close()


async def _started(server: Server) -> bool:
    return server.started
