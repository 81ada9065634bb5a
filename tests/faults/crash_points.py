"""Which services pass which crash points, and which of the pairs are in the short part of the suite."""

from chassis.faults import POINTS
from native.ports import SERVICES

OWN = {"http": ("order",), "effects": ("payment", "notification"), "sweeper": (), "settlement": (), "topology": ()}

# Every point with all the services that pass it; but for the three that have a test of their own.
SERVICES_OF = {point: OWN.get(point.partition(".")[0], SERVICES) for point in POINTS}
EVERY = [point for point, services in SERVICES_OF.items() if services]

# What the short part of the suite makes do with: each place of the chain once.
CORE = [
    ("http.after_commit", "order"),
    ("relay.after_send", "order"),
    ("relay.after_confirm", "payment"),
    ("consumer.before_commit", "order"),
    ("consumer.after_commit", "notification"),
    ("effects.after_answer", "payment"),
]
