"""Answers of Prometheus's query interface, of a moment or a range: a row a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._json import Bad, records
from vizsla.sources._measured import COLUMNS, Measurements

TABLE = "prometheus_metrics"
MORE = ("job", "instance")


class Prometheus:
    """`/api/v1/query` and `/api/v1/query_range`."""

    name = "prometheus"
    doc = "Prometheus query and range-query answers (JSON)"
    tables = (TableSpec(TABLE, "Samples of time series", (*COLUMNS, *MORE)),)

    def sniff(self, head: bytes, name: str) -> float:
        begin = head[:4096]
        signs = (b'"resultType"', b'"result"', b'"metric"', b'"status"')
        return 0.95 if begin.lstrip()[:1] == b"{" and all(sign in begin for sign in signs) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        held = Measurements(TABLE, file.name, "epoch", MORE)
        with file.open() as stream:
            for portion in records(utf8_stream(stream)):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                for place, document in zip(portion.places, portion.records, strict=True):
                    data = document.get("data")
                    found = data.get("result") if isinstance(data, dict) else None
                    if not isinstance(found, list):
                        yield Rejected(f"{file.name}#{place}", "an answer without data.result")
                        continue
                    for number, series in enumerate(found):
                        if not isinstance(series, dict) or not isinstance(series.get("metric"), dict):
                            yield Rejected(f"{file.name}#{place}", f"result {number} is no series")
                            continue
                        if odd := _add(series, place, held):
                            why = f"result {number}: {odd} of its samples are no pairs of a time and a value"
                            yield Rejected(f"{file.name}#{place}", why)
                        yield from held.full()
        yield from held.rest()


def _add(series: Mapping[str, Any], place: int, held: Measurements) -> int:
    """A series' samples; how many of them are none."""
    labels = {str(key): value for key, value in series["metric"].items()}
    name = str(labels.pop("__name__", "expression"))
    instance, job = labels.get("instance"), labels.get("job")
    host = str(instance or job) if instance or job else None
    if instance and host is not None:
        host = host.rpartition(":")[0] or host
    values = series.get("values")
    samples = values if isinstance(values, list) else [series.get("value")]
    odd = 0
    for sample in samples:
        if isinstance(sample, list) and len(sample) == 2:
            kind = "counter" if name.endswith(("_total", "_count", "_sum", "_bucket")) else None
            held.add(place, sample[0], host, None, name, sample[1], None, kind, labels, (job, instance))
        else:
            odd += 1
    return odd


SOURCE = Prometheus()
