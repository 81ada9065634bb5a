"""How many series there are: what docs/observability.md says, and no label whose values grow without end."""

import re
import time
from collections import defaultdict

import pytest

from native import Stack
from native.layout import CHECKOUT
from native.ports import SERVICES
from observe.preview import Prometheus

MOST_VALUES = 50
TOLERANCE = 0.15  # answers that nobody has given yet have no series
OURS = 'job=~"services|provider|pushgateway|load"'


def test_no_label_has_more_than_50_values(panels_stack: Stack) -> None:
    values: dict[str, set[str]] = defaultdict(set)
    for series in Prometheus(panels_stack.url("prometheus")).at(f"{{{OURS}}}", time.time()):
        for label, value in series.labels.items():
            values[label].add(value)
    assert len(values.pop("__name__")) > MOST_VALUES  # or this has looked at nothing
    assert {label: found for label, found in values.items() if len(found) > MOST_VALUES} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_an_instance_has_as_many_series_as_the_document_says(panels_stack: Stack, service: str) -> None:
    text = (CHECKOUT / "docs" / "observability.md").read_text()
    found = re.search(rf"^Series per instance.*?\b{service} ([\d,]+)", text, re.MULTILINE | re.DOTALL)
    assert found, f"the document says nothing of {service}"
    said = int(found[1].replace(",", ""))
    query = f'scrape_samples_scraped{{job="services", service="{service}"}}'
    measured = [series.values[0] for series in Prometheus(panels_stack.url("prometheus")).at(query, time.time())]
    assert measured
    assert measured == pytest.approx([said] * len(measured), rel=TOLERANCE)
