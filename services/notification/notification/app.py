"""The notification service, put together; nothing imports this."""

from chassis.app import Service
from notification import api
from notification.effects import Mail
from notification.handlers import consumer
from notification.mail import Mailer
from notification.settings import Settings

settings = Settings.load()
mailer = Mailer(settings.smtp_host, settings.smtp_port, settings.call_timeout_seconds)

service = Service(
    settings,
    consumer,
    [api.router],
    steps=[Mail(mailer, settings.call_timeout_seconds)],
    resources=[mailer],
)
