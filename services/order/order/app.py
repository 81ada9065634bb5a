"""The order service, put together; nothing imports this."""

from chassis.app import Service
from chassis.peers import Peer
from order import api, metrics, products, timeline
from order.handlers import consumer
from order.settings import Settings
from order.sweeper import PACE_SECONDS, expire_orders

settings = Settings.load()
peers = Peer("payment", settings.payment_url), Peer("notification", settings.notification_url)
metrics.preset()

service = Service(
    settings,
    consumer,
    [api.router, timeline.router, products.router],
    resources=peers,
    state={"peers": timeline.Peers(*peers)},
    cached=[products.PRODUCTS],
    sweeps=[("expiry", expire_orders, PACE_SECONDS), ("waiting orders", metrics.show_waiting, metrics.PACE_SECONDS)],
    listeners=[metrics.count],
)
