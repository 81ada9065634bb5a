"""The HTTP boundary: a command is one transaction, committed before its response leaves, and retried as a whole.

A query is an attempt, too: one that the replica fails is made again on the primary. What a command answers says how far
the log was written then, and a query that carries this reads at least that (`consistency`).

FastAPI's dependencies with `yield` commit too late: after the response, so that a failed commit still answers 200, or
outside the route, where no retry can reach. So the route class owns the transaction, with an exit stack per attempt.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from chassis import auth, consistency, metrics
from chassis.auth import Caller, Doorman
from chassis.db import Cause, Database, Session, retrying
from chassis.events import uuid7
from chassis.idempotency import Key
from chassis.reads import Reading, Reads

IDEMPOTENT = "__idempotent__"
ANONYMOUS = "__anonymous__"
SERVED_BY_HEADER = "X-Served-By"

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


class ServiceRoute(APIRoute):
    """GET is a query; every other method is a command, whose transaction is committed before it is answered.

    Nobody gets in without a token, unless the endpoint is marked as `@anonymous`.
    """

    def get_route_handler(self) -> Endpoint:
        """The endpoint inside its attempts."""
        endpoint = super().get_route_handler()
        keyed = getattr(self.endpoint, IDEMPOTENT, False)
        anonymous_ = getattr(self.endpoint, ANONYMOUS, False)

        async def command(request: Request) -> Response:
            request.state.command_id = uuid7()
            cause = Cause.new(request.state.correlation_id)
            key = await Key.of(request, request.state.caller.customer) if keyed else None
            async for attempt in retrying():
                with attempt:
                    if attempt.retry_state.attempt_number > 1:
                        metrics.TRANSACTION_RETRIES.labels("http").inc()
                    return await _attempt(request, endpoint, cause, key)
            raise AssertionError("retrying() returns or raises")

        async def query(request: Request) -> Response:
            reads: Reads = request.app.state.reads
            token = request.headers.get(consistency.HEADER)
            need = consistency.needed(token, reads.database.cluster)
            return await reads.run(need, lambda reading: _answer(request, endpoint, reading))

        attempts = query if self.methods == {"GET"} else command

        async def admitted(request: Request) -> Response:
            if not anonymous_:
                doorman: Doorman = request.app.state.doorman
                caller = request.state.caller = doorman.caller(request.headers.get(auth.HEADER))
                await request.app.state.admission.admit(caller.customer, more_work=keyed)
            return await attempts(request)

        return admitted


def idempotent(endpoint: EndpointT) -> EndpointT:
    """A command that requires an `Idempotency-Key` and answers its duplicates as it answered the first."""
    setattr(endpoint, IDEMPOTENT, True)
    return endpoint


def anonymous(endpoint: EndpointT) -> EndpointT:
    """What everybody may ask, without saying who they are."""
    setattr(endpoint, ANONYMOUS, True)
    return endpoint


async def _attempt(request: Request, endpoint: Endpoint, cause: Cause, key: Key | None) -> Response:
    database: Database = request.app.state.database
    async with database.transaction("http", cause) as session, AsyncExitStack() as stack:
        request.scope["fastapi_function_astack"] = stack
        request.state.session = session
        response = await key.claim(session, request.state.command_id) if key is not None else None
        if response is None:
            response = await endpoint(request)
            if key is not None:
                key.store(session, response)
    response.headers[consistency.HEADER] = database.token(session)
    return response


async def _answer(request: Request, endpoint: Endpoint, reading: Reading) -> Response:
    async with AsyncExitStack() as stack:
        request.scope["fastapi_function_astack"] = stack
        request.state.reading = reading
        response = await endpoint(request)
    if reading.served_by is not None:
        response.headers[SERVED_BY_HEADER] = reading.served_by
    return response


async def transaction_session(request: Request) -> Session:
    """The transaction of the command being answered."""
    session: Session = request.state.session
    return session


async def reading_of(request: Request) -> Reading:
    """The attempt at the query being answered."""
    reading: Reading = request.state.reading
    return reading


CurrentReading = Annotated[Reading, Depends(reading_of)]


async def query_session(reading: CurrentReading) -> AsyncIterator[Session]:
    """A reading session on the replica; it may lag behind, but not behind the request's consistency token."""
    async with reading.session() as session:
        yield session


async def fresh_query_session(reading: CurrentReading) -> AsyncIterator[Session]:
    """A reading session on the primary, for what must be true this moment."""
    async with reading.fresh() as session:
        yield session


async def command_id(request: Request) -> UUID:
    """The id for what this command makes: chosen once, outside of what is retried."""
    id_: UUID = request.state.command_id
    return id_


async def caller_of(request: Request) -> Caller:
    """Who is asking, as their token says."""
    caller: Caller = request.state.caller
    return caller


async def customer_of(request: Request) -> str:
    """The customer who is asking."""
    return (await caller_of(request)).customer


async def admin_of(request: Request) -> None:
    """Only the shop itself may do this. Raises `ProblemError` (403)."""
    (await caller_of(request)).require(auth.ADMIN)


TransactionSession = Annotated[Session, Depends(transaction_session)]
QuerySession = Annotated[Session, Depends(query_session, scope="function")]
FreshQuerySession = Annotated[Session, Depends(fresh_query_session, scope="function")]
CommandId = Annotated[UUID, Depends(command_id)]
CurrentCaller = Annotated[Caller, Depends(caller_of)]
Customer = Annotated[str, Depends(customer_of)]
Admin = Depends(admin_of)
