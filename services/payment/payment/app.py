"""The payment service, put together; nothing imports this."""

from chassis.app import Service
from chassis.effects import effect_guard
from payment import api, metrics
from payment.effects import Charge, Refund, Void
from payment.handlers import consumer
from payment.provider import Provider
from payment.settings import Settings
from payment.settling import PACE_SECONDS, daily

settings = Settings.load()
provider = Provider(settings.provider_url, settings.effect_concurrency)
guard = effect_guard("provider", settings.call_timeout_seconds, settings.effect_concurrency)
metrics.preset()

service = Service(
    settings,
    consumer,
    [api.router, api.settlements],
    steps=[
        Charge(provider, guard, settings.charge_give_up_seconds),
        Void(provider, guard),
        Refund(provider, guard),
    ],
    resources=[provider],
    listeners=[metrics.count],
    sweeps=[("settlement", daily(provider), PACE_SECONDS)],
)
