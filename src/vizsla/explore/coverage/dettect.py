"""Coverage as a DeTT&CT data-source administration file (version 1.1), scored from what was measured.

Scores run from 0 (none) to 5. A share scores 1 up to a quarter, 2 up to half, 3 up to three quarters, 4 below all,
and 5 for all:

- device_completeness: of the lake's hosts, those in tables that fill the component;
- data_field_completeness: of the fields that an analyst needs, the mean share of events that fill them;
- timeliness: of the component's hosts, those neither silent at the end nor with a clock that looks wrong;
- consistency: of the days between first and last, those with events;
- retention: of ninety days, those from first to last.

They are a beginning: DeTT&CT asks for the whole estate, of which a lake knows only the hosts that it has heard of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from vizsla.declared import from_yaml
from vizsla.nouns.coverage import Coverage, TableSeen, ViewSeen

RETENTION_DAYS = 90
SYSTEMS = "all"
_PLATFORMS = (
    ("Windows", ("windows_", "defender_device")),
    ("Linux", ("linux_", "sysstat")),
    ("macOS", ("macos_",)),
    ("Network", ("zeek_", "suricata_")),
    ("IaaS", ("aws_", "azure_", "gcp_", "kubernetes_")),
    ("Office 365", ("m365_",)),
    ("SaaS", ("okta_", "github_")),
)


@cache
def components() -> dict[str, dict[str, Any]]:
    """ATT&CK data components, and what of our views is evidence of each: see dettect.yaml."""
    text = (files("vizsla.explore.coverage") / "dettect.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = from_yaml(text)
    return found


def administration(found: Coverage, *, name: str = "vizsla", today: date) -> str:
    """The file, as YAML. `today`: when the data sources are registered."""
    tables = [table.name for table in found.tables]
    platforms = [p for p, starts in _PLATFORMS if any(t.startswith(starts) for t in tables)]
    content = {
        "version": 1.1,
        "file_type": "data-source-administration",
        "name": name,
        "domain": "enterprise-attack",
        "systems": [{"applicable_to": SYSTEMS, "platform": platforms or ["all"]}],
        "data_sources": [
            {"data_source_name": component, "data_source": [source]}
            for component, spec in components().items()
            if (source := _source(found, spec, today)) is not None
        ],
    }
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice: people edit these files."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _source(found: Coverage, spec: dict[str, Any], today: date) -> dict[str, object] | None:
    wanted = set(spec.get("actions", ()))
    filling = [(part, n) for part in found.parts if part.name == spec["view"] and (n := evidence_in(part, wanted))]
    if not filling:
        return None
    tables = [table for table in found.tables if table.name in {part.table for part, _ in filling}]
    firsts = [table.first for table in tables if table.first]
    events = sum(n for _, n in filling)
    return {
        "applicable_to": [SYSTEMS],
        "date_registered": today,
        "date_connected": min(firsts).date() if firsts else None,
        "products": sorted({table.name for table in tables}),
        "available_for_data_analytics": True,
        "comment": f"{events:,} events, by Vizsla's view {spec['view']}; scores measured, see its docs",
        "data_quality": _quality(found, spec, [part for part, _ in filling], tables),
    }


def evidence_in(part: ViewSeen, wanted: set[str]) -> int:
    """How many events of a part are evidence; all of them where the mapping does not say the action itself."""
    if not wanted or not part.actions:
        return part.events
    return sum(n for action, n in part.actions if action in wanted)


def _quality(
    found: Coverage, spec: dict[str, Any], parts: Sequence[ViewSeen], tables: Sequence[TableSeen]
) -> dict[str, int]:
    hosts = set[str]().union(*(found.hosts_of.get(table.name, frozenset()) for table in tables))
    names = {table.name for table in tables}
    late = {s.host for s in found.silences if s.table in {"", *names}} | {c.host for c in found.clocks}
    late |= hosts if any(not s.host and s.table in names for s in found.silences) and len(names) == 1 else set()
    fields = spec["fields"]
    events = sum(part.events for part in parts)
    fills = sum(n for part in parts for field, n in part.filled if field in fields)
    spans = [(table.last - table.first).days + 1 for table in tables if table.first and table.last]
    days = max((table.days for table in tables), default=0)
    span = max(spans, default=0)
    return {
        "device_completeness": score(len(hosts) / found.hosts if found.hosts else 0.0),
        "data_field_completeness": score(fills / (events * len(fields)) if events else 0.0),
        "timeliness": score(len(hosts - late) / len(hosts) if hosts else 0.0),
        "consistency": score(min(1.0, days / span) if span else 0.0),
        "retention": score(min(1.0, span / RETENTION_DAYS)),
    }


def score(share: float) -> int:
    """0 to 5 of a share from 0 to 1: in quarters; 5 is all, 0 is none."""
    if share <= 0:
        return 0
    return 5 if share >= 1 else 1 + min(3, int(share * 4 - 1e-9))
