"""The notification service, put together; nothing imports this."""

from chassis.app import Service
from chassis.effects import effect_guard
from notification import api
from notification.effects import Mail
from notification.handlers import consumer
from notification.mail import Mailer
from notification.settings import Settings

settings = Settings.load()
mailer = Mailer(settings.smtp_host, settings.smtp_port, settings.call_timeout_seconds)

guard = effect_guard("smtp", settings.call_timeout_seconds, settings.effect_concurrency)

service = Service(
    settings,
    consumer,
    [api.router],
    steps=[Mail(mailer, guard)],
    resources=[mailer],
)
