"""The service, put together: it makes things, hears of each that it made, notes it, and makes a call about it."""

import os

from chassis_calls import Call
from chassis_kit import Note, Noted, Thing, contract
from chassis_shop import router

from chassis.app import Service
from chassis.consumer import Consumer
from chassis.db import Session
from chassis.effects import request
from maker.settings import Settings

consumer = Consumer(contract(os.environ["MAKER_VHOST"]), Thing)


@consumer.on(Noted)
async def note(event: Noted, session: Session) -> None:
    """Note the word, and call."""
    thing = await session.locked(Thing, event.order_id)
    assert thing is not None
    session.add(Note(subject=thing.id, word=event.word))
    request(session, thing, Call.kind, {})


service = Service(Settings.load(), consumer, [router], steps=[Call()])
