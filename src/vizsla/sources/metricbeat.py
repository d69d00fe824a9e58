"""Metricbeat's documents: each holds many measurements of one host, process or service; a row a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import at, json_head
from vizsla.sources._json import Bad, records
from vizsla.sources._measured import COLUMNS, Measurements, numbers, texts

TABLE = "metricbeat"
MORE = ("module", "metricset", "context")
# what tells of the document, and holds no measurement
ABOUT = frozenset(("@timestamp", "@metadata", "agent", "beat", "cloud", "data_stream", "ecs", "event", "fields", "host",
                   "metricset", "orchestrator", "service", "tags", "timeseries", "elastic_agent", "user"))  # fmt: skip
DEVICES = ("process.name", "system.process.name", "system.network.name", "system.diskio.name",
           "system.filesystem.mount_point", "system.core.id", "docker.container.name", "container.name",
           "kubernetes.pod.name", "service.name")  # fmt: skip


def _unit(name: str) -> str | None:
    last = name.rpartition(".")[2]
    if last in ("pct", "bytes", "ms", "us", "ns", "sec"):
        return "1" if last == "pct" else "s" if last == "sec" else last
    return None


class Metricbeat:
    """Documents with a metricset."""

    name = "metricbeat"
    doc = "Metricbeat documents (JSON), a row a measurement"
    tables = (TableSpec(TABLE, "Measurements of hosts and services", (*COLUMNS, *MORE)),)

    def sniff(self, head: bytes, name: str) -> float:
        if b"metricset" not in head:
            return 0.0
        found = [record.get("_source", record) for record in json_head(head)]
        held = sum(isinstance(r, dict) and "@timestamp" in r and at(r, "metricset.name") is not None for r in found)
        return 0.95 if found and held >= 0.8 * len(found) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        held = Measurements(TABLE, file.name, "auto", MORE)
        with file.open() as stream:
            for portion in records(utf8_stream(stream)):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                for place, document in zip(portion.places, portion.records, strict=True):
                    inner = document.get("_source")
                    record = inner if isinstance(inner, dict) else document
                    if not _add(record, place, held):
                        yield Rejected(f"{file.name}#{place}", "a document without any number")
                yield from held.full()
        yield from held.rest()


def _add(record: Mapping[str, Any], place: int, held: Measurements) -> bool:
    body = {key: value for key, value in record.items() if key not in ABOUT}
    about = {key: value for key, value in record.items() if key in ABOUT and key != "@timestamp"}
    labels = dict(texts(body))
    host = at(record, "host.name") or at(record, "host.hostname") or at(record, "agent.hostname")
    device = next((str(found) for name in DEVICES if (found := at(record, name)) is not None), None)
    more = (at(record, "event.module") or at(record, "metricset.module"), at(record, "metricset.name"), about)
    found = False
    for name, value in numbers(body):
        found = True
        held.add(place, record.get("@timestamp"), None if host is None else str(host), device, name, value,
                 _unit(name), None, labels, more)  # fmt: skip
    return found


SOURCE = Metricbeat()
