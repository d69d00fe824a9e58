"""Claims as columns are kept as the same claims one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from vizsla.feed import Claims, InBulk
from vizsla.feeds import find
from vizsla.intel import rows
from vizsla.intel.rows import Terms
from vizsla.nouns.indicator import Claim

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CSV = """value,type,first_seen,confidence,tags,comment,to_ids
evil-one.com,domain,2026-01-02 03:04:05,90,"a;b",said,1
1.2.3.4|80,ip-dst|port,2026-01-02,high,,,0
x.exe|00000000000000000000000000000000,filename|md5,2020-11-07T10:00:00Z,,c,,
not a domain,domain,,,,,
"""


def test_columns_are_what_single_claims_are(tmp_path: Path) -> None:
    """Ids, keys, digests and all columns: a list that was added before is known again."""
    path = tmp_path / "a.csv"
    path.write_text(CSV, encoding="utf-8")
    table = find("table")
    assert isinstance(table, InBulk)
    bulk = [one for one in table.in_bulk(path, "f") if isinstance(one, Claims)]
    single = [one for one in table.read(path, "f") if isinstance(one, Claim)]
    assert [one for claims in bulk for one in claims] == single
    assert [(one.type, one.value) for one in single] == [
        ("domain", "evil-one.com"), ("ipv4", "1.2.3.4"), ("file_name", "x.exe"), ("md5", "0" * 32),
    ]  # fmt: skip
    first = single[0]
    assert (first.confidence, first.tags, first.context) == (90, ("a", "b"), "said")
    assert (first.first_seen, first.valid_from) == (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),) * 2
    (claims,) = bulk
    for place in ("", "b.csv"):
        one, other = rows.in_bulk(claims, Terms(50), NOW, place)[0], rows.claims(single, Terms(50), NOW, place)[0]
        assert one.rows.equals(other.rows)
        assert one.entries.tobytes() == other.entries.tobytes()
        assert one.loose.tolist() == other.loose.tolist()


def test_characters_that_are_no_text(tmp_path: Path) -> None:
    claims = Claims(
        "f", {"type": ["domain"] * 2, "value": ["a.com", "b.com"], "raw": ["a\ud800", "b"], "source": ["x", "y"]}
    )
    draft, refused = rows.in_bulk(claims, Terms(), NOW)
    assert draft.rows.column("value").to_pylist() == ["b.com"]
    assert [one.place for one in refused] == ["x"]
