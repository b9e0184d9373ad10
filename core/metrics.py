"""What /metrics shows: counts of this process, never a name of a person or a text.

Counting is a dict addition; prometheus-client only writes the exposition when somebody asks. Its
own counters cost 5 µs a step, more than the rest of a webhook's bookkeeping together.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override


class Counts:
    """One series of counts by label values."""

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> None:
        """`name` without `_total`."""
        self.name = name
        self.help_text = help_text
        self.labels = labels
        self.values: dict[tuple[str, ...], int] = {}

    def count(self, *labels: str) -> None:
        """Add one."""
        self.values[labels] = self.values.get(labels, 0) + 1


class Metrics(Collector):
    """The process's own series; nothing global, so that tests may run several."""

    def __init__(self) -> None:
        """Make the series."""
        self.webhooks = Counts("frontdesk_webhooks", "Webhooks by answer.", ("inbox", "status"))
        self.items = Counts("frontdesk_inbound_items", "Items of bodies.", ("inbox", "kind"))
        self.batches = Counts("frontdesk_batches", "Committed batches.")
        self.sockets = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    @override
    def collect(self) -> Iterable[Metric]:
        """Turn the counts into metric families."""
        for series in (self.webhooks, self.items, self.batches):
            family = CounterMetricFamily(series.name, series.help_text, labels=series.labels)
            for labels, value in sorted(series.values.items()):
                family.add_metric(labels, value)
            yield family
        yield GaugeMetricFamily("frontdesk_agent_sockets", "Open agent sockets.", self.sockets)

    def text(self) -> bytes:
        """Return the exposition format."""
        return generate_latest(self._registry)
