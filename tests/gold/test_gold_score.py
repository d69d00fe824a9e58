"""What scores high, what does not, and that it merges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gold_samples import DAY, DEFRAG, MINUTE, altered, gathered, quiet, row
from vizsla.gold.learnt import groups, learnt, merged
from vizsla.gold.say import Speaker, Usual
from vizsla.gold.score import Counts, Model, Scored, Tails
from vizsla.gold.units import FIELDS, Units, facts_of, units_of

HOSTS, DAYS = 30, 6


def scored(rows: list[dict[str, Any]], before: list[dict[str, Any]] | None = None) -> tuple[Units, Scored]:
    state = learnt(units_of(facts_of(gathered(quiet(HOSTS, DAYS) if before is None else before))))
    units = units_of(facts_of(gathered(rows)))
    return units, Model(state).score(units)


def bits_of(units: Units, found: Scored, name: str) -> list[float]:
    """The bits of a name's units, the highest first."""
    texts = units.facts.texts
    own = [place for place in range(len(units)) if texts[int(units.name[place])] == name.lower()]
    return sorted((float(found.bits[place]) for place in own), reverse=True)


def test_what_was_there_all_along_is_usual() -> None:
    _, found = scored(quiet(HOSTS, 2, DAYS))
    assert found.bits.max() < 1


def test_a_task_that_is_altered_for_minutes_is_seen_though_it_is_restored() -> None:
    units, found = scored([*quiet(HOSTS, 1, DAYS), *altered("srv3", DAYS * DAY + 300 * MINUTE)])
    best = int(np.argmax(found.bits))
    assert units.facts.texts[int(units.name[best])] == DEFRAG.lower()
    assert found.bits[best] > 20
    assert np.sort(found.bits)[-2] < 1
    said = Speaker(units, found, Usual(learnt(units_of(facts_of(gathered(quiet(HOSTS, DAYS)))))["said"])).text(best)
    assert "altered, run and changed back within two hours" in said
    assert "usual: c:\\windows\\system#\\defrag.exe on 30" in said


def test_an_alteration_that_lasts_scores_less_than_one_that_is_taken_back() -> None:
    at = DAYS * DAY + 300 * MINUTE
    whole, lasting = altered("srv3", at), altered("srv3", at)[:2]
    assert scored(whole)[1].bits.max() > scored(lasting)[1].bits.max() + 2


def test_the_more_hosts_hold_a_value_the_more_unusual_another_is() -> None:
    few = quiet(3, DAYS)
    attack = altered("srv1", DAYS * DAY + 300 * MINUTE)
    assert scored(attack)[1].bits.max() > scored(attack, few)[1].bits.max()


def test_what_windows_writes_on_all_hosts_in_one_night_is_a_roll_out() -> None:
    at = DAYS * DAY
    night = [row(f"srv{n}", at + n * MINUTE, "updated", DEFRAG, actor="S-1-5-18", code="140") for n in range(HOSTS)]
    units, found = scored(night)
    assert bits_of(units, found, DEFRAG)[0] < scored(night[:1])[1].bits.max() - 2


def _arrivals(program: str, who: str, hosts: int) -> list[dict[str, Any]]:
    return [row(f"srv{n}", DAYS * DAY + n * MINUTE, "registered", "\\New", actor=who, program=program, code="106")
            for n in range(hosts)]  # fmt: skip


def test_a_deployment_counts_unless_its_folder_and_deployer_are_usual() -> None:
    earlier = [row(f"srv{n}", day * DAY, "registered", f"\\Soft{day}", actor="CORP\\deploy", code="106",
                   program=f"C:\\Program Files\\S{day}\\s.exe") for n in range(20) for day in range(3)]  # fmt: skip
    before = [*quiet(HOSTS, DAYS), *earlier]
    usual = scored(_arrivals("C:\\Program Files\\New\\n.exe", "CORP\\deploy", 25), before)[1].bits
    odd = scored(_arrivals("C:\\PerfLogs\\n.exe", "CORP\\eve", 25), before)[1].bits
    one = scored(_arrivals("C:\\PerfLogs\\n.exe", "CORP\\eve", 1), before)[1].bits
    assert odd.min() > usual.max() + 5
    assert odd.min() > one.max() + 2


def test_names_that_differ_in_a_guid_alone_are_one_item() -> None:
    names = ["\\Job-{0a1b2c3d-1111-2222-3333-444455556666}", "\\Job-{9a1b2c3d-1111-2222-3333-444455556777}"]
    units = units_of(facts_of(gathered([row("srv1", n, "ran", name) for n, name in enumerate(names)])))
    assert len(units) == 1


def test_two_jobs_of_one_shape_are_not_one_that_is_altered() -> None:
    rows = []
    for number in range(2):
        name = f"\\Job-{{{number}a1b2c3d-1111-2222-3333-444455556666}}"
        rows += [row("srv1", number * 9 * MINUTE, "registered", name, actor="CORP\\a", code="106"),
                 row("srv1", (number * 9 + 1) * MINUTE, "ran", name, program="a.exe"),
                 row("srv1", (number * 9 + 2) * MINUTE, "deleted", name, actor="CORP\\a", code="141")]  # fmt: skip
    units = units_of(facts_of(gathered(rows)))
    brief = units.token_value[units.token_field == FIELDS.index("brief")]
    assert {units.facts.texts[int(code)] for code in brief} == {"new"}


def test_the_order_of_rows_changes_nothing() -> None:
    rows = [*quiet(HOSTS, 1, DAYS), *altered("srv3", DAYS * DAY + 300 * MINUTE)]
    one, other = scored(rows), scored(rows[::-1])
    assert np.array_equal(one[1].bits, other[1].bits)


def test_states_of_days_apart_merge_to_the_state_of_all() -> None:
    early, late = quiet(HOSTS, 3), [*quiet(HOSTS, 3, 3), *altered("srv3", 4 * DAY + 300 * MINUTE)]
    whole = learnt(units_of(facts_of(gathered([*early, *late]))))
    parts = [learnt(units_of(facts_of(gathered(part)))) for part in (early, late)]
    for name, table in merged(*parts).items():
        assert table.equals(whole[name])
    assert merged(*parts[::-1])["said"].equals(whole["said"])


def test_hosts_that_hold_the_same_are_one_group() -> None:
    web = [row(f"web{n}", 0, "ran", f"\\Web\\{task}") for n in range(4) for task in "abcd"]
    sql = [row(f"sql{n}", 0, "ran", f"\\Sql\\{task}") for n in range(4) for task in "abcd"]
    found = groups(learnt(units_of(facts_of(gathered([*web, *sql]))))["held"])
    assert len({found[f"web{n}"] for n in range(4)}) == len({found[f"sql{n}"] for n in range(4)}) == 1
    assert found["web0"] != found["sql0"]


def test_counts_of_keys_never_seen_are_none() -> None:
    counts = Counts(np.array([3, 1, 3], np.uint64), np.array([1.0, 2.0, 4.0]))
    assert counts.of(np.array([1, 2, 3], np.uint64)).tolist() == [2.0, 0.0, 5.0]
    assert Counts(np.zeros(0, np.uint64), np.zeros(0)).of(np.array([1], np.uint64)).tolist() == [0.0]


@pytest.mark.parametrize(("value", "p"), [(7, 9.5 / 10), (8, 4.5 / 10), (9, 2.5 / 10), (5, 2.5 / 10)])
def test_a_value_is_as_rare_as_those_that_are_at_most_as_common(value: int, p: float) -> None:
    """Of nine items five have 7, two have 8, and two have one of their own."""
    values = np.array([7] * 5 + [8] * 2 + [9, 10], np.uint64)
    tails = Tails(np.ones(len(values), np.uint64), values)
    found, of = tails.p(np.array([1], np.uint64), np.array([value], np.uint64))
    assert of[0] == 9
    assert found[0] == pytest.approx(p)
