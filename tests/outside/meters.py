"""What a service's instances say about themselves: their metrics, on the internal ports that the edge does not pass."""

from collections import defaultdict

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from native import Stack


class Meters:
    """All instances of each service, added up."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._session = session

    async def total(self, service: str, sample: str, /, **labels: str) -> float:
        """The sum of a metric over the service's instances, of samples with these labels; who is down counts as 0."""
        return sum(await self.each(service, sample, **labels))

    async def each(self, service: str, sample: str, /, **labels: str) -> list[float]:
        """The same by instance."""
        found = [await self._of(name, sample, labels) for name in self._stack.plan.instances(service)]
        return [sum(one.value for one in samples) for samples in found]

    async def by(self, label: str, service: str, sample: str, /, **labels: str) -> dict[str, float]:
        """The same by the value of one more label, all of an instance's seen at once."""
        total = defaultdict[str, float](float)
        for name in self._stack.plan.instances(service):
            for one in await self._of(name, sample, labels):
                total[one.labels[label]] += one.value
        return total

    async def _of(self, instance: str, wanted: str, labels: dict[str, str]) -> list[Sample]:
        url = f"http://127.0.0.1:{self._stack.ports.internal(instance)}/metrics"
        try:
            async with self._session.get(url) as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return []
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return [sample for sample in samples if sample.name == wanted and labels.items() <= sample.labels.items()]
