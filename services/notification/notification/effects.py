"""What the notification service asks of the mail server. The result is one transaction."""

from email.errors import HeaderParseError

from jinja2 import TemplateError

from chassis.db import Session
from chassis.effects import Effect
from chassis.outbox import emit
from chassis.parking import ParkError
from chassis.resilience import Guard
from notification.events import NotificationFailed, NotificationSent
from notification.mail import Mailer, Receipt
from notification.models import Notification
from notification.templates import compose

MAIL = "mail"


class Mail:
    """Send one mail. Never given up: a mail server that is away for a night delays mails, it does not lose them."""

    kind = MAIL
    give_up_seconds: float | None = None

    def __init__(self, mailer: Mailer, guard: Guard) -> None:
        self._mailer = mailer
        self.guard = guard

    async def perform(self, effect: Effect) -> Receipt:
        """The call; a mail that cannot even be written is refused for good."""
        try:
            return await self._mailer.send(compose(effect.aggregate_id, effect.payload))
        except (ValueError, LookupError, HeaderParseError, TemplateError) as error:
            return Receipt(refusal=f"cannot be written: {error}")

    async def settle(self, effect: Effect, outcome: Receipt, session: Session) -> None:
        """sent or failed."""
        notification = await session.locked(Notification, effect.aggregate_id)
        if notification is None:
            raise ParkError("a mail came back for a notification that does not exist")
        if outcome.refusal is None:
            if notification.apply("mail.accepted"):
                emit(session, notification, NotificationSent.of(notification))
        elif notification.apply("mail.refused", outcome.refusal):
            emit(session, notification, NotificationFailed.of(notification))

    async def give_up(self, effect: Effect, session: Session) -> None:
        """Does not happen."""
        raise ParkError("a mail has no deadline")
