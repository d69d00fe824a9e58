"""What Splunk's `search/v2/jobs/export` sends as JSON, a line an event: after its REST API reference."""

from __future__ import annotations

import json

import pytest
from mapped_samples import tables_of

from vizsla.sources import registry


def exported(number: int, sourcetype: str, **more: str) -> str:
    result = {
        "_bkt": "main~1~A", "_cd": f"1:{number}", "_indextime": "1704067290", "_raw": f"login {number}",
        "_serial": str(number), "_si": ["srv", "main"], "_sourcetype": sourcetype,
        "_time": f"2024-01-01T01:00:0{number}.000+01:00",
        "host": "web1", "index": "main", "linecount": "1", "source": "/var/log/auth.log", "sourcetype": sourcetype,
        **more,
    }  # fmt: skip
    return json.dumps({"preview": False, "offset": number, "result": result})


@pytest.mark.parametrize("last", [{"lastrow": True}, {}])
def test_an_export_is_read_by_sourcetype_with_the_events_own_time(last: dict[str, bool]) -> None:
    lines = [exported(0, "linux_secure", user="ada"), exported(1, "linux_secure"), exported(2, "access_combined")]
    lines[-1] = json.dumps({**json.loads(lines[-1]), **last})
    text = "\n".join(lines) + "\n"
    sure = {name: one.sniff(text.encode(), "export.json") for name, one in registry().items()}
    assert max(sure, key=lambda name: sure[name]) == "splunk_event"
    tables, refused = tables_of("splunk_event", text)
    assert not refused
    assert {name: table.num_rows for name, table in tables.items()} == {
        "splunk_linux_secure": 2, "splunk_access_combined": 1,
    }  # fmt: skip
    first, second = tables["splunk_linux_secure"].to_pylist()
    assert (first["_time"].isoformat(), first["_host"]) == ("2024-01-01T00:00:00+00:00", "web1")
    assert (first["user"], second.get("user"), first["source"]) == ("ada", None, "/var/log/auth.log")
    assert first["splunk_raw"] == "login 0"
    assert first["splunk_time"] == "2024-01-01T01:00:00.000+01:00"
