"""What a sighting of an indicator is worth, and what a feed's voice is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_samples import LATER, NOW, claim, new_store
from vizsla.intel import decay, kept, weigh
from vizsla.intel.active import active
from vizsla.intel.normal import TYPES
from vizsla.intel.record import Record
from vizsla.intel.store import Store
from vizsla.intel.weigh import Voice, voice


def bits(store: Store, voices: dict[str, Voice] | None = None) -> dict[str, float]:
    """By value the prior bits now."""
    found = active(store.lake, NOW)
    worth = dict(
        zip(found.column("id").to_pylist(), weigh.prior(found, voices).column("bits").to_pylist(), strict=True)
    )
    return {row["value"]: worth[row["id"]] for row in found.to_pylist()}


def test_every_type_has_a_worth() -> None:
    assert set(weigh.parameters()["most"]) == set(TYPES)


def test_worth_is_the_types_times_belief(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.add(
        [
            claim("a" * 64, "sha256", confidence=100),
            claim("45.10.10.10", "ipv4", confidence=100),
            claim("half.bad-name.com", confidence=50),
            claim("unsaid.bad-name.com"),
        ],
        "alpha",
        now=NOW,
    )
    most = weigh.parameters()["most"]
    assert bits(store) == pytest.approx(
        {
            "a" * 64: most["sha256"],
            "45.10.10.10": most["ipv4"],
            "half.bad-name.com": most["domain"] / 2,
            "unsaid.bad-name.com": most["domain"] / 2,
        }
    )


def test_independent_feeds_confirm_and_the_silent_lose_their_say(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.add([claim(feed=name, confidence=60) for name in "ab"], "a", now=NOW)
    most = weigh.parameters()["most"]["domain"]
    assert bits(store)["evil.bad-name.com"] == pytest.approx(most * (1 - 0.4 * 0.7))
    quiet = {"a": Voice(0.0, 1.0, 0.0, 0.0)}
    assert bits(store, quiet)["evil.bad-name.com"] == pytest.approx(most * 0.6)
    assert bits(store, {name: Voice(0.0, 1.0, 0.0, 0.0) for name in "ab"})["evil.bad-name.com"] == 0


def test_age_is_that_of_the_event_where_its_time_is_given(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    report = NOW - timedelta(days=900)
    store.add([claim(confidence=80, modified=report)], "alpha", now=NOW)
    found = active(store.lake, NOW)
    assert weigh.prior(found).column("bits").to_pylist() == [0]
    times = [report + timedelta(days=30), report - timedelta(days=30), None]
    events = pa.array(times, pa.timestamp("us", tz="UTC"))
    worth = weigh.prior(found.take([0, 0, 0]), None, events).column("bits").to_pylist()
    whole = weigh.parameters()["most"]["domain"] * 0.8
    assert worth == pytest.approx([whole * decay.score("domain", 1, 30), whole, whole])


def test_hashes_of_high_confidence_are_exempt_from_the_cap(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    said = [
        claim("a" * 64, "sha256", confidence=80),
        claim("b" * 64, "sha256", confidence=60),
        claim("c" * 64, "sha256"),
    ]
    store.add([*said, claim("d.bad-name.com", confidence=100)], "alpha", now=NOW)
    found = active(store.lake, NOW)
    exempt = dict(zip(found.column("value").to_pylist(), weigh.prior(found).column("exempt").to_pylist(), strict=True))
    assert {value[0]: flag for value, flag in exempt.items()} == {"a": True, "b": False, "c": False, "d": False}


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1000))
def test_a_voice_is_a_share_and_falls_with_what_was_benign(
    judged: int, benign: int, overlap: float, stale: float
) -> None:
    benign = min(benign, judged)
    heard = voice(Record(judged, benign), overlap, stale)
    assert 0 <= heard.voice <= 1
    assert heard.voice >= voice(Record(judged + 1, benign + 1), overlap, stale).voice
    assert heard.voice >= voice(Record(judged, benign), overlap, stale + 30).voice
    assert heard.voice <= voice(Record(judged + 1, benign), overlap, stale).voice + 1e-12


def test_a_feed_that_cries_wolf_loses_its_voice() -> None:
    assert voice(Record(), 0, 0).voice == 1
    assert voice(Record(20, 20), 0, 0).voice == pytest.approx((1 - 21 / 24) / 0.75)
    assert voice(Record(100, 20, judged=20), 0, 0).voice == voice(Record(20, 20), 0, 0).voice  # the rest nobody judged
    assert voice(Record(20, 0), 0, 0).voice == 1
    assert voice(Record(20, 20), 1, 0).voice > voice(Record(20, 20), 0, 0).voice  # others say the same


def test_the_table_of_feeds(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.add([claim(), claim("only.bad-name.com"), claim(feed="beta")], "alpha", now=NOW)
    store.add([claim("x.bad-name.com", feed="beta", revoked=True)], "beta", now=LATER)
    kept.add_server(store, "https://taxii.bad-name.com/api/", "taxii", now=NOW, name="server", every=24)
    with store.lake.writing():
        server = replace(kept.load(store)["server"], pulled=(NOW - timedelta(days=94)).isoformat())
        kept.save(store, [server])
    rows = {row["feed"]: row for row in weigh.feeds_table(store, NOW, {"beta": Record(30, 30)}).to_pylist()}
    assert {name: (row["claims"], row["indicators"], row["overlap"]) for name, row in rows.items()} == {
        "alpha": (2, 2, 0.5),
        "beta": (1, 1, 1.0),
        "server": (0, 0, 0.0),
    }
    assert rows["alpha"]["voice"] == 1
    assert rows["beta"]["voice"] < 0.3
    assert rows["server"]["stale days"] == pytest.approx(90)  # 94 less four intervals
    assert rows["server"]["voice"] == pytest.approx(0.5)
    assert weigh.voices(store, NOW)["alpha"].overlap == 0.5
