"""The order service's own metrics."""

from prometheus_client import Counter, Histogram

TIMELINE_HARVEST = Histogram(
    "timeline_harvest_ratio",
    "Share of the services that a timeline holds the answer of. Its count is the yield: timelines that were answered.",
    buckets=(0.34, 0.67, 1.0),
)
TIMELINE_PARTS_TOTAL = Counter(
    "timeline_parts_total",
    "Parts of timelines, by service and what became of them (answered, late, refused: by our own guard, failed).",
    ("service", "result"),
)
