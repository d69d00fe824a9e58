"""Episodes, weights and the replay: what adds, what does not, and what a strength means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, attack, company, guid, process, stamped, sysmon
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.model import Learnt, Model, Tallied
from vizsla.analytics.rarity.tally import (
    SLICE,
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    UNIT_KEY,
    UNIT_SUM,
    Heap,
    Tally,
    unpacked,
)
from vizsla.calibration import Tail
from vizsla.triage.assemble import lines, patterns
from vizsla.triage.episode import Trace, joined
from vizsla.triage.replay import Ranked, Replay, anchored_of, rank, replay
from vizsla.triage.weigh import Weigher

EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE
SHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"


def tallied(events: Sequence[dict[str, Any]]) -> Tallied:
    """A tally with no engine and no lake."""
    units: dict[str, Heap] = {}
    ties, starts, words = Heap(TIE_KEY, TIE_SUM), Heap(START_KEY, START_SUM), dict[int, str]()
    for table, batches in stamped(events).items():
        for part, kind, found in unpacked(Tally(table)(iter(batches))):
            if part == "word":
                words.update(zip(found["code"].to_pylist(), found["word"].to_pylist(), strict=True))
                continue
            rows = {name: found[name].to_numpy() for name in found.schema.names}
            {"tie": ties, "start": starts}.get(part) or units.setdefault(kind, Heap(UNIT_KEY, UNIT_SUM))
            heap = ties if part == "tie" else starts if part == "start" else units[kind]
            heap.add(rows)
    return Tallied(
        {kind: dict(sorted(heap.columns().items())) for kind, heap in sorted(units.items())}, words,
        ties.columns() if ties.chunks else {}, starts.columns() if starts.chunks else {},
    )  # fmt: skip


def hunted(events: Sequence[dict[str, Any]], learnt: tuple[Model, Replay]) -> tuple[Tallied, Ranked]:
    """Ranked with all that happened, whether it has something to say or not."""
    found = tallied(events)
    units, anchored = rarity.scored(found.units, learnt[0].score), anchored_of(found)
    trace = Trace.of(anchored.code, anchored.slice, anchored.time)
    weigher = Weigher(units, found.units, found.words)
    return found, rank(joined(found.ties, anchored, units), trace, learnt[1].tails, weigher)


def strengths(events: Sequence[dict[str, Any]], learnt: tuple[Model, Replay]) -> dict[str, float]:
    """Bits by finding's id."""
    found, ranked = hunted(events, learnt)
    return {p.id: p.bits for p in patterns(ranked, found.words)}


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, Replay]:
    found = tallied(company(6, range(15)))
    model = rarity.learn(found)
    return model.model, replay(found, model)[0]


def harmless(at: int, host: str, number: int) -> list[dict[str, Any]]:
    """`number` everyday events of every kind, by the attacking process itself; values as the baseline has them."""
    own = {"ProcessGuid": guid((host, EVIL, "evil")), "User": "CORP\\user"}
    image = "C:\\Program Files\\chrome.exe"
    made = []
    for n in range(number):
        when = at + n * SECOND // 2
        made.append(
            sysmon(3, when, host, Image=image, DestinationIp="10.0.0.1", DestinationPort="443", Mark=None, **own)
        )
        name = f"C:\\Users\\user\\Documents\\note{n % 100}.txt"
        made.append(sysmon(11, when, host, Image=image, TargetFilename=name, ProcessGuid=own["ProcessGuid"]))
        made.append(process(when, host, image, SHELL, key=("child", n), ParentProcessGuid=own["ProcessGuid"]))
    return made


@pytest.mark.parametrize("number", [1, 30, 300])
def test_harmless_events_buy_no_silence(learnt: tuple[Model, Replay], number: int) -> None:
    plain = strengths(attack("ws3", EVIL), learnt)
    ((id, bits),) = plain.items()
    found = strengths([*attack("ws3", EVIL), *harmless(EVIL + SECOND, "ws3", number)], learnt)
    assert found[id] >= bits - 1e-9
    assert found[id] == pytest.approx(bits, abs=1.0)


def test_many_weak_things_do_not_beat_one_strong(learnt: tuple[Model, Replay]) -> None:
    """A service that does three hundred slightly unusual things in a day stays below one attack."""
    key = ("service",)
    weak = []
    for n in range(300):
        when = START + 30 * DAY + n * 4 * MINUTE
        own = {"Image": "C:\\Program Files\\excel.exe", "ProcessGuid": guid(key), "User": "CORP\\user"}
        weak.append(sysmon(3, when, "ws2", DestinationIp=f"10.0.0.{20 + n % 10}", DestinationPort="80", **own))
    one = max(strengths(attack("ws3", EVIL), learnt).values())
    found = strengths(weak, learnt)
    assert len(found) <= 300
    assert max(found.values(), default=0.0) < one
    few = strengths(weak[:30], learnt)
    assert max(found.values(), default=0.0) <= max(few.values(), default=0.0) + 3.0


def test_within_a_family_the_strongest_counts_and_families_add(learnt: tuple[Model, Replay]) -> None:
    start, call, read = attack("ws3", EVIL)
    alone = {name: max(strengths([start, e] if e is not start else [start], learnt).values())
             for name, e in (("start", start), ("call", call), ("read", read))}  # fmt: skip
    whole = max(strengths([start, call, read], learnt).values())
    assert whole == pytest.approx(alone["call"] + alone["read"] - alone["start"], abs=1e-9)
    again = {**call, "_time": call["_time"] + SECOND, "DestinationIp": "198.51.100.7"}
    assert max(strengths([start, call, read, again], learnt).values()) == pytest.approx(whole, abs=1e-9)


def test_what_is_added_up_lies_within_ten_minutes(learnt: tuple[Model, Replay]) -> None:
    start, call, read = attack("ws3", EVIL)
    late = {**read, "_time": EVIL + 40 * MINUTE}
    ((id, together),) = strengths([start, call, read], learnt).items()
    ((same, apart),) = strengths([start, call, late], learnt).items()
    assert same == id  # one episode: less than an hour between
    assert apart < together


@pytest.mark.parametrize(("pause", "episodes"), [(50 * MINUTE, 1), (75 * MINUTE, 2), (3 * HOUR, 2)])
def test_an_hours_pause_ends_an_episode(learnt: tuple[Model, Replay], pause: int, episodes: int) -> None:
    start, call, read = attack("ws3", EVIL)
    assert len(strengths([start, call, {**read, "_time": EVIL + pause}], learnt)) == episodes


def test_midnight_ends_an_episode(learnt: tuple[Model, Replay]) -> None:
    midnight = START + 31 * DAY
    start, call, read = attack("ws3", midnight - 2 * MINUTE)
    read = {**read, "_time": midnight + MINUTE}
    assert len(strengths([start, call, read], learnt)) == 2


def test_an_episode_that_grows_keeps_its_id_and_never_weakens(learnt: tuple[Model, Replay]) -> None:
    events = [*attack("ws3", EVIL), *harmless(EVIL + MINUTE, "ws3", 5)]
    ids, before = set(), 0.0
    for n in range(1, len(events) + 1):
        ((id, bits),) = list(strengths(events[:n], learnt).items())[:1]
        ids.add(id)
        assert bits >= before - 1e-9
        before = bits
    assert len(ids) == 1


def test_ids_hang_on_no_baseline(learnt: tuple[Model, Replay]) -> None:
    events = [*company(5, [30]), *attack("ws3", EVIL)]
    found = tallied(events)
    _, itself = replay(found, rarity.learn(found, lambda units: units["host"].view(np.int64)))
    other = {p.id for p in patterns(itself, found.words)}
    mine = strengths(events, learnt)
    assert max(mine, key=lambda id: mine[id]) in other


def test_the_same_pattern_is_one_finding_whoever_and_whenever(learnt: tuple[Model, Replay]) -> None:
    events = [e for n in range(4) for e in attack(f"ws{n}", EVIL + n * HOUR)]
    found, ranked = hunted(events, learnt)
    (one,) = patterns(ranked, found.words)
    assert (one.instances, one.hosts) == (4, ("ws0", "ws1", "ws2", "ws3"))
    other = [{**e, "CommandLine": "powershell.exe something else"} for e in attack("ws5", EVIL)]
    found, ranked = hunted([*events, *other], learnt)
    assert sorted(p.instances for p in patterns(ranked, found.words)) == [1, 4]


def test_lines_add_up_to_their_episode(learnt: tuple[Model, Replay]) -> None:
    _found, ranked = hunted([*company(6, [40]), *attack("ws3", EVIL), *attack("ws4", EVIL)], learnt)
    chosen = patterns(ranked, _found.words)
    rows = lines(ranked, chosen)
    assert len(chosen) > 1
    for pattern in chosen:
        made = rows[pattern.episode]
        assert sum(line.bits for line in made) == pytest.approx(pattern.bits, abs=1e-9)
        assert len({line.kind for line in made}) == len(made)
        assert all(line.count >= 1 for line in made)
    assert [p.bits for p in chosen] == sorted((p.bits for p in chosen), reverse=True)


def test_lines_beyond_what_is_shown_never_cost_the_ledger(
    learnt: tuple[Model, Replay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vizsla.triage.assemble.LINES", 1)
    found, ranked = hunted(attack("ws3", EVIL), learnt)
    (pattern,) = patterns(ranked, found.words)
    made = lines(ranked, [pattern])[pattern.episode]
    assert sum(line.bits for line in made) == pytest.approx(pattern.bits, abs=1e-9)


def test_nothing_at_all() -> None:
    nothing = Tallied()
    played, ranked = replay(nothing, rarity.learn(nothing))
    assert (len(played.bits), list(patterns(ranked, {}))) == (0, [])
    assert played.expected(1.0, 1.0, 3.0) == 3.0


# ---- the replay

NUMBERS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=30)


@given(NUMBERS, st.integers(0, 200), st.integers(-1, 7), st.integers(-1, 4), st.floats(1, 50))
@settings(deadline=None)
def test_expected_against_counting(
    rows: list[tuple[int, int]], days: int, bits: int, surprisal: int, hosts: float
) -> None:
    ordered = sorted(rows, reverse=True)
    made = Replay(None, np.array([float(b) for b, _ in ordered]), np.array([float(s) for _, s in ordered]), days)  # type: ignore[arg-type]
    stronger = sum(1 for row in rows if row >= (bits, surprisal))
    found = made.expected(float(bits), float(surprisal), hosts)
    assert found == pytest.approx((1 + stronger) / (1 + days) * hosts)
    assert found >= hosts / (1 + days) - 1e-12


def word(number: int) -> str:
    """A name without digits, which shapes would generalise."""
    return "x" + "".join(chr(97 + int(digit)) for digit in str(number))


def alike(days: range, hosts: int = 15) -> list[dict[str, Any]]:
    """Host-days drawn alike, whose programs reach names of an open vocabulary: there is always a new one."""
    made = []
    for host in range(hosts):
        for day in days:
            rng = np.random.default_rng([host, day])
            for n in range(30):
                at = START + day * DAY + 8 * HOUR + n * 15 * MINUTE
                image = f"C:\\p\\{word(int(rng.integers(3)))}.exe"
                own = {"Image": image, "ProcessGuid": guid(host, day, n), "QueryName": word(int(rng.zipf(1.6)))}
                made.append(sysmon(22, at, f"h{host}", **own))
    return made


def test_quiet_days_bring_as_many_findings_as_expected() -> None:
    """Half of the days learnt and half hunted: what stands above any strength is what was said, within chance."""
    days, hosts = 10, 15
    found = tallied(alike(range(days)))
    model = rarity.learn(found)
    played, _ = replay(found, model)
    assert played.host_days == hosts * days
    bits = hunted(alike(range(days, 2 * days)), (model.model, played))[1].episodes.bits
    assert len(played.bits) > 200
    for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.7):
        cut = float(played.bits[int(share * (len(played.bits) - 1))])
        said = played.expected(cut, -math.inf, hosts) * days
        seen = float((bits >= cut).sum())
        assert seen <= said + 4 * math.sqrt(2 * said + 1)  # both counts vary
        assert seen >= said / 2 - 4 * math.sqrt(2 * said + 1)


def test_what_is_said_of_quiet_days_of_few_values_is_at_worst_too_much() -> None:
    """Where programs and peers are few, what was left out makes equal things differ: then too much is expected."""
    hosts, days = 10, 10
    found = tallied(company(hosts, range(days), seed=1))
    model = rarity.learn(found)
    played, _ = replay(found, model)
    new = company(hosts, range(days, 2 * days), seed=1)
    bits = hunted(new, (model.model, played))[1].episodes.bits
    for share in (0.02, 0.1, 0.3, 0.6, 0.95):
        cut = float(played.bits[int(share * (len(played.bits) - 1))])
        said = played.expected(cut, -math.inf, hosts) * days
        assert float((bits >= cut).sum()) <= said + 4 * math.sqrt(2 * said + 1)


def test_units_left_out_are_judged_as_new_ones_would_be() -> None:
    """p-values of the hunted units of one common type, against its tail, are no smaller than uniform."""
    before, after = company(12, range(8), seed=2), company(12, range(8, 16), seed=2)
    found = tallied(before)
    model: Learnt = rarity.learn(found)
    new = tallied(after)
    for kind in ("windows_sysmon:1", "windows_sysmon:3"):
        p, _ = model.model.alone(kind, model.model.score(kind, new.units[kind]))
        for level in (0.01, 0.05, 0.2, 0.5):
            share = float((p <= level).mean())
            assert share <= level + 4 * math.sqrt(level / len(p)) + 1 / (model.model.tails[kind].n + 1)


# ---- the model's corners


def bare(pool: Sequence[float], new: int, units: int) -> Model:
    newness = {"": rarity.Newness(new, units)}
    return Model({}, {}, {}, Tail.of(np.array(pool, dtype=float)), newness, 1, 1, 0, 0, 0)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_a_new_type_ranks_where_its_p_value_lies_in_the_pool(pool: list[int], new: int, more: int) -> None:
    """The highest score that a share p of the pool reaches."""
    model = bare([float(x) for x in pool], new, new + more)
    p = (1 + new) / (1 + new + more)
    assert model.new("windows_x:1").p == pytest.approx(p)
    reached = [s for s in pool if sum(1 for x in pool if x >= s) >= p * len(pool) - 1e-9]
    assert model.score("windows_x:1", {"host": np.zeros(2)}).tolist() == [float(max(reached))] * 2


def test_where_everything_was_new_a_new_type_is_nothing_special() -> None:
    model = bare([1.0, 5.0, 9.0], 10, 10)
    assert model.score("windows_x:1", {"host": np.zeros(1)}).tolist() == [1.0]
    p, bits = model.alone("windows_x:1", np.array([1.0]))
    assert (p.tolist(), bits.tolist()) == ([1.0], [-1.0])


def test_without_a_pool_a_new_type_is_as_surprising_as_its_p_value() -> None:
    assert bare([], 0, 63).score("windows_x:1", {"host": np.zeros(1)}).tolist() == [6.0]


def test_slices_lie_within_hours() -> None:
    times = np.array([0, 599_999_999, 600_000_000, 3_599_999_999, 3_600_000_000])
    assert rarity.hour_of_slice(times // SLICE).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("value", "shown"), [(7.0, 11), (3.0, 1), (-1.0, 1)])
def test_a_line_shows_what_is_close_to_its_strongest_in_value_too(
    learnt: tuple[Model, Replay], value: float, shown: int
) -> None:
    """What is as unusual as such but tells far less stands not on the line of what was found."""
    evil = {"ProcessGuid": guid(("ws3", EVIL, "evil")), "User": "CORP\\user"}
    beside = [
        sysmon(3, EVIL + n * SECOND, "ws3", Image="C:\\Program Files\\excel.exe", DestinationIp=f"198.51.100.{n}",
               DestinationPort="443", **evil)
        for n in range(20, 30)
    ]  # fmt: skip
    found, ranked = hunted([*attack("ws3", EVIL), *beside], learnt)
    (pattern,) = [p for p in patterns(ranked, found.words) if p.bits > 5]
    kinds = np.array(ranked.weigher.units.kinds)[ranked.weigher.units.kind[ranked.ties.unit[ranked.lit.at]]]
    network = np.flatnonzero(kinds == "windows_sysmon:3")
    assert len(network) == 11
    lead = network[np.argmax(ranked.lit.value[network])]
    base, weight, surprisal = ranked.lit.base.copy(), ranked.lit.weight.copy(), ranked.ties.surprisal.copy()
    surprisal[ranked.lit.at[network]] = 30.0
    base[network], weight[network] = 1.0, value - 1.0
    base[lead], weight[lead] = 5.0, 3.0
    ties = replace(ranked.ties, surprisal=surprisal)
    ranked = replace(ranked, ties=ties, lit=replace(ranked.lit, ties=ties, base=base, weight=weight))
    (line,) = [row for row in lines(ranked, [pattern])[pattern.episode] if row.kind == "windows_sysmon:3"]
    assert line.places[0] == lead
    assert len(line.places) == line.count == shown
