"""The composition root: the HTTP side over a mailbox."""

from starlette.applications import Starlette

from mailsink.api import Api, BadRequest, answer_bad_request
from mailsink.chaos import Chaos
from mailsink.mailbox import Mailbox

BODY_LIMIT_BYTES = 1024 * 1024


def create_app(mailbox: Mailbox, chaos: Chaos) -> Starlette:
    """Mailpit's API over a mailbox and its chaos."""
    return Starlette(
        routes=Api(mailbox, chaos).routes(),
        exception_handlers={BadRequest: answer_bad_request},
        max_body_size=BODY_LIMIT_BYTES,
    )
