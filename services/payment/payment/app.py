"""The payment service, put together; nothing imports this."""

from chassis.app import Service
from payment import api
from payment.effects import Charge, Refund, Void
from payment.handlers import consumer
from payment.provider import Provider
from payment.settings import Settings

settings = Settings.load()
provider = Provider(settings.provider_url, settings.effect_concurrency)

service = Service(
    settings,
    consumer,
    [api.router],
    steps=[
        Charge(provider, settings.call_timeout_seconds, settings.charge_give_up_seconds),
        Void(provider, settings.call_timeout_seconds),
        Refund(provider, settings.call_timeout_seconds),
    ],
    resources=[provider],
)
