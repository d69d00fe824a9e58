"""The indicator store: what is said again changes nothing, what is said anew replaces, what five feeds say is one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intel_samples import LATER, NOW, claim, new_store, object_id, told, values
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.intel import keyed, spool, store
from vizsla.intel.active import active, since, standing
from vizsla.intel.expire import expire
from vizsla.intel.keyed import Change
from vizsla.intel.rows import Terms
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim, Mention, Refused

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    claims = [claim(f"host{number}.bad-name.com", source=f"line {number}") for number in range(50)]
    assert kept.add(claims, "alpha", now=NOW).claims == Change(new=50)
    before = kept.claims().sort_by("key")
    assert kept.add(reversed(claims), "alpha", now=LATER).claims == Change(known=50)
    assert kept.version == 1
    assert kept.claims().sort_by("key").equals(before)


def test_a_modified_claim_replaces_and_an_older_one_does_not(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    old = claim(source=object_id(1), confidence=20, modified=FIRST)
    new = replace(old, confidence=90, modified=FIRST + timedelta(days=3))
    kept.add([old], "alpha", now=NOW)
    assert kept.add([new], "alpha", now=LATER).claims == Change(changed=1)
    assert kept.add([old], "alpha", now=LATER).claims == Change(older=1)
    assert [row["confidence"] for row in kept.claims().to_pylist()] == [90]
    assert kept.version == 2


def test_a_list_that_is_read_again_with_other_words_replaces(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add([claim(source="line 3", context="seen in May")], "alpha", now=NOW)
    assert kept.add([claim(source="line 4", context="seen in May")], "alpha", now=LATER).claims == Change(known=1)
    assert kept.add([claim(source="line 4", context="seen in June")], "alpha", now=LATER).claims == Change(changed=1)
    assert [row["context"] for row in kept.claims().to_pylist()] == ["seen in June"]


def test_one_report_may_say_several_things_of_one_indicator(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    said = [claim(source=f"page {page}", context=f"sentence {page}") for page in (1, 2, 3)]
    assert kept.add([*said, said[0]], "alpha", now=NOW).claims == Change(new=3, known=1)
    assert kept.add(said[::-1], "alpha", now=LATER).claims == Change(known=3)
    (row,) = standing(kept, NOW).to_pylist()
    assert (row["claims"], row["feeds"]) == (3, ["alpha"])


def test_a_revoked_claim_revokes(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    said = claim(source=object_id(1), modified=FIRST)
    assert values(kept, [said]) == {said.value: "live"}
    assert values(kept, [replace(said, revoked=True, modified=FIRST + timedelta(1))]) == {said.value: "revoked"}
    assert active(kept.lake, NOW).num_rows == 0
    other = claim(source=object_id(2), feed="beta")
    assert values(kept, [other]) == {said.value: "live"}  # another feed still says it
    (row,) = standing(kept, NOW).to_pylist()
    assert row["feeds"] == ["beta"]


def test_five_feeds_are_one_indicator(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    days = [FIRST + timedelta(days=number) for number in range(5)]
    said = [
        claim(feed=name, confidence=50, tlp=tlp, first_seen=day, last_seen=day, malware=(f"M{at % 2}",), tags=("t",))
        for at, (name, tlp, day) in enumerate(
            zip("edcba", ("green", "red", "clear", "amber+strict", ""), days, strict=True)
        )
    ]
    for one in said:
        kept.add([one], one.feed, now=NOW)
    (row,) = standing(kept, NOW).to_pylist()
    assert row["feeds"] == list("abcde")
    assert row["claims"] == 5
    assert row["tlp"] == "red"
    assert (row["first_seen"], row["last_seen"]) == (days[0], days[-1])
    assert row["malware"] == ["M0", "M1"]
    assert row["tags"] == ["t"]
    assert row["by_feed"] == [50.0] * 5
    # 1 - 0.5 * (1 - 0.5 / 2) ** 4
    assert row["confidence"] == pytest.approx(100 * (1 - 0.5 * 0.75**4), abs=1e-4)


def test_only_claims_that_stand_are_counted(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add(
        [
            claim(feed="a", confidence=90, valid_until=NOW - timedelta(days=1), malware=("Gone",)),
            claim(feed="b", confidence=10),
            claim("later.bad-name.com", valid_from=NOW + timedelta(days=1)),
            claim("note.bad-name.com", to_ids=False),
            claim("ended.bad-name.com", valid_until=NOW),
        ],
        "a",
        now=NOW,
    )
    rows = {row["value"].partition(".")[0]: row for row in standing(kept, NOW).to_pylist()}
    assert {name: row["state"] for name, row in rows.items()} == {
        "evil": "live",
        "later": "future",
        "note": "context",
        "ended": "expired",
    }
    assert (rows["evil"]["feeds"], rows["evil"]["malware"]) == (["b"], [])
    assert rows["evil"]["confidence"] == pytest.approx(10)
    assert active(kept.lake, NOW).column("value").to_pylist() == ["evil.bad-name.com"]
    assert active(kept.lake, None).num_rows == 3  # whatever the time, but never what is context only
    assert active(kept.lake, NOW + timedelta(days=2)).num_rows == 2


def test_what_is_new_since_a_version(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add([claim(f"h{number}.bad-name.com", source=object_id(number)) for number in range(9)], "alpha", now=NOW)
    found, version = since(kept.lake, 0, NOW)
    assert (found.num_rows, version) == (9, 1)
    kept.add([claim("h3.bad-name.com", feed="beta"), claim("new.bad-name.com")], "beta", now=NOW)
    kept.add([claim("h4.bad-name.com", source=object_id(4), revoked=True)], "alpha", now=LATER)
    found, version = since(kept.lake, 1, NOW)
    rows = {row["value"]: (row["state"], row["feeds"]) for row in found.to_pylist()}
    assert rows == {
        "h3.bad-name.com": ("live", ["alpha", "beta"]),
        "new.bad-name.com": ("live", ["alpha"]),
        "h4.bad-name.com": ("revoked", ["alpha"]),
    }
    assert since(kept.lake, version, NOW)[0].num_rows == 0


def test_terms_speak_where_claims_do_not(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    terms = Terms(confidence=30, tlp="amber", valid_days=10)
    said = [
        claim("a.bad-name.com", modified=FIRST),
        claim("b.bad-name.com", confidence=80, tlp="red", valid_until=NOW),
        claim("c.bad-name.com"),
    ]
    kept.add(said, "alpha", now=NOW, terms=terms)
    rows = {row["value"][0]: row for row in kept.claims().to_pylist()}
    assert [rows[name]["confidence"] for name in "abc"] == [30, 80, 30]
    assert [rows[name]["tlp"] for name in "abc"] == ["amber", "red", "amber"]
    assert [rows[name]["valid_until"] for name in "abc"] == [
        FIRST + timedelta(days=10),
        NOW,
        NOW + timedelta(days=10),
    ]
    assert kept.add(said, "alpha", now=LATER, terms=terms).claims == Change(known=3)
    assert kept.add(said, "alpha", now=LATER, terms=Terms()).claims.changed == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_repetition_of_claims_gives_the_same_indicators(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    claims = data.draw(
        st.lists(
            st.builds(
                claim,
                value=st.sampled_from(["a.bad-name.com", "b.bad-name.com"]),
                feed=st.sampled_from(["alpha", "beta"]),
                source=st.integers(0, 3).map(object_id),
                confidence=st.none() | st.integers(0, 100),
                modified=st.integers(0, 3).map(lambda days: FIRST + timedelta(days=days)),
                revoked=st.booleans(),
                to_ids=st.booleans(),
                tags=st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
            ),
            max_size=12,
        )
    )
    again = data.draw(st.permutations(claims)) + data.draw(
        st.lists(st.sampled_from(claims), max_size=6) if claims else st.just([])
    )
    cuts = data.draw(st.lists(st.integers(0, len(again)), max_size=3).map(sorted))
    one, other = (new_store(tmp_path_factory.mktemp("order") / "lake") for _ in range(2))
    one.add(claims, "any", now=NOW)
    for start, end in zip([0, *cuts], [*cuts, len(again)], strict=True):
        other.add(again[start:end], "any", now=NOW)
    assert told(one) == told(other)
    assert other.add(claims, "any", now=LATER).claims.new == 0
    assert told(one) == told(other)


def test_what_came_before_an_error_is_kept_and_the_error_is_told(tmp_path: Path) -> None:
    def broken() -> Iterator[Read]:
        yield claim()
        yield Refused("line 2", "no indicator")
        raise FeedError("torn", where="feed.csv")

    kept = new_store(tmp_path / "lake")
    with kept.load(NOW) as load, pytest.raises(FeedError):
        load.take(broken(), "alpha")
    assert (load.account.said, load.account.refused) == (1, 1)
    assert kept.claims().num_rows == 1
    assert kept.refused().column("reason").to_pylist() == ["no indicator"]


def test_an_error_around_a_load_stores_nothing(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    with pytest.raises(KeyboardInterrupt), kept.load(NOW) as load:
        load.take([claim()], "alpha")
        raise KeyboardInterrupt
    assert kept.version == 0
    assert not list(kept.folder.glob(".*"))


def test_mentions_and_refusals_are_kept_once(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    said: list[Read] = [Mention("technique", "T1059", "alpha", context="It ran a script."), Refused("p. 1", "nothing")]
    for _ in range(2):
        kept.add(said, "alpha", now=NOW)
    assert kept.mentions("alpha").column("name").to_pylist() == ["T1059"]
    assert kept.refused("alpha").num_rows == 1
    assert kept.mentions("beta").num_rows == 0


def test_text_that_is_none_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    account = kept.add([claim("a\ud800b.com"), claim(), claim("x.com", source="line \udcff")], "alpha", now=NOW)
    assert (account.claims.new, account.refused) == (2, 1)  # a place that is no text is escaped
    assert "no text" in account.told[0].reason


def test_refusals_without_end_are_counted_and_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TOLD", 20)
    monkeypatch.setattr(store, "PIECE", 15)
    kept = new_store(tmp_path / "lake")
    account = kept.add((Refused(f"line {number}", "no") for number in range(1000)), "alpha", now=NOW)
    assert account.refused == 1000
    assert len(account.told) <= 35
    assert kept.refused().num_rows <= 35


def test_large_loads_are_stored_in_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARE", 100)
    monkeypatch.setattr(store, "PIECE", 40)
    kept = new_store(tmp_path / "lake")
    said = [claim(f"h{number}.bad-name.com", source=object_id(number)) for number in range(500)]
    assert kept.add(said, "alpha", now=NOW).claims == Change(new=500)
    assert kept.version > 3
    assert kept.add(said, "alpha", now=LATER).claims == Change(known=500)


def test_a_store_that_is_full_says_so_and_keeps_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SHARE", 100), ("PIECE", 40), ("MOST", 250)):
        monkeypatch.setattr(store, name, value)
    kept = new_store(tmp_path / "lake")
    said = [claim(f"h{number}.bad-name.com", source=object_id(number)) for number in range(1000)]
    with kept.load(NOW) as load:
        with pytest.raises(FeedError, match="too many to hunt for"):
            load.take(iter(said), "alpha")
        with pytest.raises(FeedError, match="too many"):
            load.take([claim("other.bad-name.com")], "beta")
    assert 250 <= kept.claims().num_rows <= 250 + 100 + 40
    assert kept.claims_table.size == kept.claims().num_rows == load.account.said
    with kept.load(LATER) as load, pytest.raises(FeedError) as error:
        load.take([claim("other.bad-name.com")], "beta")
    assert kept.claims(feed="beta").num_rows == 0
    assert "intel expire" in error.value.fix


def test_rows_that_hold_are_counted(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    for confidence in (1, 2, 3):
        kept.add(
            [claim(confidence=confidence), claim(f"h{confidence}.bad-name.com")],
            "alpha",
            now=NOW + timedelta(confidence),
        )
    assert kept.claims_table.size == kept.claims().num_rows == 4


def test_many_small_loads_are_merged_and_still_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "SMALL", 4)
    kept = new_store(tmp_path / "lake")
    for number in range(10):
        kept.add(
            [claim(f"h{number}.bad-name.com"), claim("same.bad-name.com", confidence=number)],
            "alpha",
            now=NOW + timedelta(number),
        )
    assert kept.version == 10
    assert kept.claims().num_rows == 11
    assert len(kept.claims(since=8)) == 3
    (row,) = [row for row in kept.claims().to_pylist() if row["value"].startswith("same")]
    assert row["confidence"] == 9


@pytest.mark.parametrize("damage", ["gone", "torn", "half"])
def test_the_index_is_made_again_from_the_table(tmp_path: Path, damage: str) -> None:
    kept = new_store(tmp_path / "lake")
    said = [claim(f"h{number}.bad-name.com", source=object_id(number), modified=FIRST) for number in range(30)]
    for part in (said[:20], said[20:25], [replace(said[0], confidence=5, modified=NOW)], said[25:]):
        kept.add(part, "alpha", now=NOW)
    before = told(kept)
    runs = sorted((kept.folder / "claims.index").glob("*.npy"))
    for path in runs if damage == "gone" else runs[-1:]:
        if damage == "half":
            path.write_bytes(path.read_bytes()[:90])
        elif damage == "torn":
            path.write_bytes(b"no index")
        else:
            path.unlink()
    again = Store(Lake.open(tmp_path / "lake"))
    assert told(again) == before
    assert again.add(said, "alpha", now=LATER).claims == Change(known=29, older=1)
    assert told(again) == before


def many_claims() -> list[Claim]:
    """Claims of which many share a key."""
    return [
        claim(
            f"h{number % 700}.bad-name.com",
            feed=f"f{number % 3}",
            source=object_id(number % 900),
            confidence=number % 100,
            modified=FIRST + timedelta(hours=number),
        )
        for number in range(2000)
    ]


CHILD = """
import sys
from datetime import timedelta
from intel_samples import NOW
from test_store_claims import many_claims
from vizsla.intel import store
from vizsla.intel.expire import expire
from vizsla.lake import Lake

store.PIECE = 50
kept = store.Store(Lake.open(sys.argv[2]))
kept.version
claims = many_claims()
print("ready", flush=True)
if sys.argv[1] == "add":
    kept.add(claims, "alpha", now=NOW)
else:
    expire(kept, NOW)
"""


def killed(what: str, lake: Path, after: float) -> bool:
    """Add or expire in another process, killed so many seconds after it began; whether it came to its end before."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests / "intel")])
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, what, str(lake)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(after)
        process.kill()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


@pytest.mark.slow
def test_killed_and_run_again_ends_in_the_same_store(tmp_path: Path) -> None:
    claims = many_claims()
    whole = new_store(tmp_path / "whole")
    started = time.monotonic()
    whole.add(claims, "alpha", now=NOW)
    took = time.monotonic() - started
    chance = random.Random(7)
    for number in range(6):
        kept = new_store(tmp_path / f"killed{number}")
        killed("add", kept.lake.root, chance.uniform(0, took))
        assert kept.claims().num_rows in (0, whole.claims().num_rows)  # in whole or not at all
        kept.add(claims, "alpha", now=NOW)
        assert told(kept) == told(whole)
        assert kept.add(claims, "alpha", now=LATER).claims.new == 0
        assert not list(kept.folder.glob(".*.arrow"))


@pytest.mark.slow
def test_expiry_that_is_killed_leaves_all_or_what_it_was_to_leave(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    ended = [
        claim(f"e{number}.bad-name.com", source=object_id(9000 + number), valid_until=NOW) for number in range(500)
    ]
    kept.add([*many_claims(), *ended], "alpha", now=NOW)
    rows = kept.claims().num_rows
    version = kept.version
    chance = random.Random(3)
    for _ in range(6):
        killed("expire", kept.lake.root, chance.uniform(0, 0.3))
        assert kept.claims().num_rows in (rows, rows - 500)
        assert kept.add(ended, "alpha", now=LATER).claims.new in (0, 500)
        assert kept.version >= version
        version = kept.version
        assert kept.claims().num_rows == rows


def test_drafts_of_the_living_are_left_alone(tmp_path: Path) -> None:
    for process in (os.getppid(), os.getpid(), 999_999_999):
        (tmp_path / f".claims.{process}.0.arrow").touch()
    spool.sweep(tmp_path)
    assert len(list(tmp_path.glob(".*.arrow"))) == 2


def test_expire_drops_what_ended_and_versions_only_grow(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add(
        [claim("stays.bad-name.com"), claim("old.bad-name.com", valid_until=NOW - timedelta(days=40))], "alpha", now=NOW
    )
    said = claim("gone.bad-name.com", source=object_id(1), modified=FIRST)
    kept.add([said], "alpha", now=NOW)
    kept.add([replace(said, revoked=True, modified=FIRST + timedelta(1))], "alpha", now=NOW)
    assert expire(kept, NOW, keep=timedelta(days=400)).claims == 0
    gone = expire(kept, NOW, keep=timedelta(days=30))
    assert (gone.claims, gone.indicators) == (2, 2)
    assert [row["value"] for row in told(kept)] == ["stays.bad-name.com"]
    assert kept.version == 4
    assert kept.add([claim("next.bad-name.com")], "alpha", now=LATER).claims == Change(new=1)
    assert (kept.version, since(kept.lake, 4, NOW)[0].num_rows) == (5, 1)
    assert kept.add([said], "alpha", now=LATER).claims == Change(new=1)  # what was dropped may come back


def test_expire_drops_what_decayed_where_asked(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add([claim(modified=FIRST), claim("a" * 32, "md5", modified=FIRST)], "alpha", now=NOW)
    assert expire(kept, NOW).claims == 0
    assert expire(kept, NOW, decayed=True).claims == 1
    assert [row["type"] for row in told(kept)] == ["md5"]
