"""The order service, put together; nothing imports this."""

from chassis.app import Service
from order import api, products
from order.handlers import consumer
from order.settings import Settings
from order.sweeper import PACE_SECONDS, expire_orders

service = Service(
    Settings.load(),
    consumer,
    [api.router, products.router],
    cached=[products.PRODUCTS],
    sweeps=[("expiry", expire_orders, PACE_SECONDS)],
)
