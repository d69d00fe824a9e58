"""OpenTelemetry metrics as JSON: resources, their scopes, their metrics, their data points; a row a data point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import json_head
from vizsla.sources._json import Bad, records
from vizsla.sources._measured import COLUMNS, Measurements
from vizsla.sources._rows import as_text

TABLE = "otel_metrics"
MORE = ("scope", "description", "service", "resource", "start_time", "count", "sum", "min", "max", "buckets")
KINDS = {"gauge": "gauge", "sum": "sum", "histogram": "histogram", "exponentialHistogram": "histogram",
         "summary": "summary"}  # fmt: skip


def plain(value: Any) -> Any:
    """An attribute's value out of its typed wrapping."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, held = next(iter(value.items()))
    if kind == "arrayValue" and isinstance(held, dict):
        return [plain(item) for item in _items(held, "values")]
    if kind == "kvlistValue" and isinstance(held, dict):
        return attributes(_items(held, "values"))
    return held


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as names and plain values."""
    if not isinstance(pairs, list):
        return {}
    return {str(pair["key"]): plain(pair.get("value")) for pair in pairs if isinstance(pair, dict) and "key" in pair}


def _items(holder: Mapping[str, Any], name: str) -> list[Any]:
    found = holder.get(name)
    return found if isinstance(found, list) else []


def _objects(holder: Mapping[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    """The objects of the first list that is there: names changed over the protocol's versions."""
    for name in names:
        if found := _items(holder, name):
            yield from (item for item in found if isinstance(item, dict))
            return


class OtelMetrics:
    """OTLP/JSON of metrics."""

    name = "otel_metrics"
    doc = "OpenTelemetry metrics as OTLP JSON: a collector's file exporter"
    tables = (TableSpec(TABLE, "Data points of metrics", (*COLUMNS, *MORE)),)

    def sniff(self, head: bytes, name: str) -> float:
        if b'"resourceMetrics"' not in head[:4096]:
            return 0.0
        found = json_head(head)
        whole = found and all("resourceMetrics" in record for record in found)
        return 0.95 if whole else 0.9 if not found and head.lstrip()[:1] == b"{" else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        held = Measurements(TABLE, file.name, "epoch_ns", MORE)
        with file.open() as stream:
            for portion in records(utf8_stream(stream)):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                for place, document in zip(portion.places, portion.records, strict=True):
                    if not isinstance(document.get("resourceMetrics"), list):
                        yield Rejected(f"{file.name}#{place}", "a document without resourceMetrics")
                        continue
                    for resource in _objects(document, "resourceMetrics"):
                        yield from _resource(resource, place, held)
        yield from held.rest()


def _resource(resource: Mapping[str, Any], place: int, held: Measurements) -> Iterator[Batch | Rejected]:
    inner = resource.get("resource")
    about = attributes(inner.get("attributes") if isinstance(inner, dict) else None)
    host = as_text(about.get("host.name") or about.get("k8s.node.name") or about.get("host.id"))
    service = as_text(about.get("service.name"))
    told = as_text(about) if about else None
    for scope in _objects(resource, "scopeMetrics", "instrumentationLibraryMetrics"):
        library = scope.get("scope")
        named = library.get("name") if isinstance(library, dict) else None
        for metric in _objects(scope, "metrics"):
            if not any(_items(metric[kind], "dataPoints") for kind in KINDS if isinstance(metric.get(kind), dict)):
                yield Rejected(f"{held.file}#{place}", f"metric {metric.get('name')!r} has no data points")
            for kind, meaning in KINDS.items():
                body = metric.get(kind)
                if not isinstance(body, dict):
                    continue
                counts = meaning == "sum" and bool(body.get("isMonotonic"))
                for point in _objects(body, "dataPoints"):
                    labels = attributes(point.get("attributes"))
                    more = (named, metric.get("description"), service, told, point.get("startTimeUnixNano"),
                            point.get("count"), point.get("sum"), point.get("min"), point.get("max"),
                            point.get("bucketCounts") or point.get("quantileValues"))  # fmt: skip
                    value = point.get("asDouble", point.get("asInt", point.get("sum")))
                    held.add(place, point.get("timeUnixNano"), host, None if host else service,
                             str(metric.get("name")), value, as_text(metric.get("unit")),
                             "counter" if counts else meaning, labels, more)  # fmt: skip
                yield from held.full()


SOURCE = OtelMetrics()
