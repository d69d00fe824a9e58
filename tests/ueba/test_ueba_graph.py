"""New edges, paths and addresses against plain computations, and on logons made by hand."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pyarrow as pa
import pytest

from vizsla.charts import draw, svg
from vizsla.ueba.addresses import addresses, ends, names_of, short
from vizsla.ueba.edges import EDGES, access, counted, factors
from vizsla.ueba.logons import LOGONS
from vizsla.ueba.paths import LONGEST, NEW, WITHIN, Step, before, newest, path

MINUTE = 60_000_000


def office(days: int = 10) -> pa.Table:
    """Two departments of six people: each uses its own computer, its department's server and, but for one, its
    printer; everybody uses dc01."""
    rows = []
    for day, (department, who) in product(range(days), product("ab", range(6))):
        hosts = [f"ws-{department}{who}", f"srv-{department}", "dc01"]
        hosts += [f"print-{department}"] if who else []
        rows += [(f"{department}{who}", host, day) for host in hosts]
    actor, host, day = (list(column) for column in zip(*rows, strict=True))
    return counted("user", pa.array(actor), pa.array(host), np.array(day), np.ones(len(day), np.int64))


def test_what_neighbours_use_is_less_unusual_than_what_others_do() -> None:
    graph = access(office())
    near, far, never, usual = graph.bits(["a0"] * 4, ["print-a", "print-b", "nowhere", "srv-a"])
    assert usual < 0.2 < near < far < never
    assert far - near > 1


def test_probabilities_of_new_edges_sum_to_one() -> None:
    graph = access(office())
    chances, seen = graph._chances(graph.actors["a0"])
    assert chances.sum() == pytest.approx(1)
    assert chances[:-1][seen > 0].tolist() == [0.0] * 3
    strangers, _ = graph._chances(None)
    assert strangers.sum() == pytest.approx(1)


def test_the_factorisation_is_that_of_lowered_singular_values() -> None:
    days = access(office()).days
    left, right = factors(days)
    used = np.log1p(days.toarray())
    used /= np.linalg.norm(used, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(used @ used.T)
    singular = np.sqrt(np.maximum(values, 0))
    lowered = np.maximum(singular - np.median(singular), 0) / np.maximum(singular, 1e-12)
    assert left @ right == pytest.approx(vectors @ np.diag(lowered) @ vectors.T @ used, abs=1e-9)


def test_who_goes_everywhere_surprises_nobody() -> None:
    table = office()
    roamer = counted("user", pa.array(["admin"] * 10), pa.array([f"ws-{d}{i}" for d, i in product("ab", range(5))]),
                     np.arange(10), np.ones(10, np.int64))  # fmt: skip
    graph = access(pa.concat_tables([table, roamer]))
    admin, other = graph.bits(["admin", "a1"], ["ws-b5", "ws-b5"])
    assert admin + 2 < other


def test_nothing_known_is_nothing_unusual() -> None:
    assert access(EDGES.empty_table()).bits(["a"], ["b"]).tolist() == [1.0]


def naive_paths(steps: list[Step]) -> list[float]:
    """The best path to each step by trying all sequences of steps."""
    best = [step.bits if step.bits >= NEW else 0.0 for step in steps]

    def follow(i: int, bits: float, length: int) -> None:
        best[i] = max(best[i], bits)
        for j, step in enumerate(steps):
            if step.bits >= NEW and step.source == steps[i].target and steps[i].source != step.target \
                    and 0 < step.time - steps[i].time <= WITHIN and length < LONGEST:  # fmt: skip
                follow(j, bits + step.bits, length + 1)

    for i, step in enumerate(steps):
        if step.bits >= NEW:
            follow(i, step.bits, 1)
    return best


@pytest.mark.parametrize("seed", range(20))
def test_paths_without_a_choice_are_those_of_trying_all(seed: int) -> None:
    chance = np.random.default_rng(seed)
    hosts = chance.permutation(9)
    # Every host is reached once, so that each step has at most one before it.
    steps = [
        Step(f"h{hosts[chance.integers(i)]}", f"h{hosts[i]}", "u", int(chance.integers(12)) * WITHIN // 8,
             float(chance.integers(0, 9)))
        for i in range(1, 9)
    ]  # fmt: skip
    bits, came_from = before(steps)
    assert bits.tolist() == pytest.approx(naive_paths(steps))
    for i in range(len(steps)):
        way = [steps[j] for j in path(i, came_from)]
        assert all(a.target == b.source and a.time < b.time for a, b in pairwise(way))


def test_a_path_of_new_logons_is_worth_their_sum_and_old_ones_carry_nothing() -> None:
    steps = [Step("ws1", "srv1", "ada", 0, 6.0), Step("srv1", "dc01", "adm", 9 * MINUTE, 7.0),
             Step("srv1", "fs01", "adm", 9 * MINUTE, 0.5), Step("fs01", "web01", "adm", 10 * MINUTE, 5.0)]  # fmt: skip
    bits, came_from = before(steps)
    assert bits.tolist() == [6.0, 13.0, 0.0, 5.0]
    assert path(1, came_from) == [0, 1]
    late = [steps[0], Step("srv1", "dc01", "adm", WITHIN + 1, 7.0)]
    assert before(late)[0].tolist() == [6.0, 7.0]


def test_a_choice_among_many_costs_its_logarithm() -> None:
    steps = [Step(f"ws{i}", "jump", "u", i, 4.0) for i in range(4)] + [Step("jump", "dc01", "u", 99, 4.0)]
    assert before(steps)[0][-1] == pytest.approx(4 + 4 - 2)


def test_the_newest_edge_of_a_step_counts() -> None:
    account, hosts, comes_from = (np.array([bits, bits, bits - 1]) for bits in (3.0, 1.0, 5.0))
    found = newest(account, hosts, comes_from, np.array([True, False, True]))
    assert found.tolist() == [5.0, 3.0, 4.0]


def logon(host: str, user: str, ip: str, hour: int = 24, name: str = "", target: str = "") -> dict[str, object]:
    return {"host": host, "user": user, "ip": ip, "name": name, "target": target, "type": "Network", "hour": hour,
            "n": 1, "first": hour, "id": "", "time": hour, "kind": "k", "session": ""}  # fmt: skip


def test_addresses_are_named_by_computers_own_logons_of_the_day() -> None:
    rows = [
        logon("dc01.corp", "ws1$", "10.0.0.1"),
        logon("dc01.corp", "ws2$", "10.0.0.1", hour=48),
        logon("dc01.corp", "ws2$", "10.0.0.1", hour=49),
        logon("fs01.corp", "ada", "10.0.0.1"),
        logon("fs01.corp", "ada", "10.0.0.1", hour=50),
        logon("fs01.corp", "ada", "10.0.0.1", hour=80),
        logon("fs01.corp", "ada", "10.9.9.9"),
        logon("fs01.corp", "ada", "", name="fs01"),
        logon("fs01.corp", "ada", "", name="ws7.corp"),
        logon("sensor", "ada", "10.9.9.9", target="10.0.0.1"),
    ]
    table = pa.Table.from_pylist(rows, LOGONS)
    sources, targets = (end.to_pylist() for end in ends(table, names_of(table, addresses(table))))
    assert sources[3:] == ["ws1", "ws2", "ws2", "10.9.9.9", "", "ws7", "10.9.9.9"]
    assert targets[3:] == ["fs01"] * 6 + ["ws1"]


def test_names_lose_their_domain_and_addresses_stay() -> None:
    assert [short(n) for n in ("ws1.corp.example", "10.0.0.1", "fe80::1", "")] == ["ws1", "10.0.0.1", "fe80::1", ""]


def test_a_graph_is_drawn_from_left_to_right() -> None:
    from vizsla.charts.pictures.graph import places

    shown = {"chart": "graph", "edges": [["ws1", "srv1", 3, False], ["srv1", "dc01", 7.5, True]], "about": "bits"}
    says, chart = draw(shown)
    assert "unusual" in says
    assert svg(chart).count("<text") >= 3
    place = places([("ws1", "srv1"), ("srv1", "dc01"), ("dc01", "ws1")])  # a circle ends, too
    assert len({*place.values()}) == 3
    for edges in ([], [["a", "b", 1]], [["a", 5, 1, True]], [["a", "b", "c", True]], [["a", "b", 1, "yes"]]):
        with pytest.raises(ValueError, match=r"."):
            draw(shown | {"edges": edges})
