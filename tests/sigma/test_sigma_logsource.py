"""Where rules look: every log source's tables, what stands in them where, and what a lake lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from vizsla.errors import UsageError
from vizsla.sigma.choose import Wanted, answerable, chosen
from vizsla.sigma.load import load
from vizsla.sigma.logsource import Place, _declared, _entries, expression, places, places_of, unanswerable
from vizsla.sigma.rule import And, Condition, Correlation, LogSource, Not, Or, Rule, Test
from vizsla.sources._windows import slug
from vizsla.views.grammar import Call, Expression

PROCESS = LogSource("process_creation", "windows", "")


def rule(condition: Condition | None, logsource: LogSource = PROCESS, name: str = "r", **more: object) -> Rule:
    return Rule(name, "1", name, "high", "test", logsource, condition, **more)  # type: ignore[arg-type]


def tables(category: str = "", product: str = "", service: str = "") -> list[str]:
    return [place.table for place in places(LogSource(category, product, service))]


def test_a_category_is_in_sysmon_and_in_security():
    found = {place.table: place for place in places(PROCESS)}
    assert found["windows_sysmon"].where == {"EventID": ("1",)}
    assert found["windows_security"].where == {"EventID": ("4688",)}
    assert found["windows_security"].column("image") == found["windows_security"].column("Image") == "NewProcessName"
    assert found["windows_sysmon"].column("Image") == "Image"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (("", "windows", "security"), ["windows_security"]),
        (("", "windows", "windefend"), ["windows_windows_defender", "windows_defender"]),
        (("", "windows", "some-new.channel"), ["windows_some_new_channel"]),
        (("", "windows", ""), ["windows_*"]),
        (("process_creation", "windows", "sysmon"), ["windows_sysmon"]),
        (("", "zeek", "http"), ["zeek_http"]),
        (("", "zeek", "kerberos"), ["zeek_kerberos"]),
        (("", "linux", "auditd"), ["linux_audit"]),
        (("", "aws", "cloudtrail"), ["aws_cloudtrail"]),
        (("application", "kubernetes", "audit"), ["kubernetes_audit"]),
        (("", "unheard_of", "thing"), ["unheard_of_thing", "unheard_of"]),
        (("", "windows", "../../x"), ["windows_x"]),
    ],
)
def test_where_log_sources_lie(source, expected):
    assert tables(*source) == expected


def test_a_category_without_a_product_takes_every_product():
    assert {"windows_sysmon", "linux_sysmon", "linux_audit"} <= set(tables("process_creation"))


def test_patterns_are_filled_by_the_tables_of_a_lake():
    here = ["windows_sysmon", "windows_system", "zeek_dns", "ecs_endpoint"]
    assert [p.table for p in places(LogSource("", "windows", ""), here)] == ["windows_sysmon", "windows_system"]
    assert [p.table for p in places(PROCESS, here)] == ["windows_sysmon", "ecs_endpoint", "ecs_endpoint"]
    assert [dict(p.where) for p in places(PROCESS, ["ecs_endpoint"])] == [
        {"event.category.0": ("process",), "event.type.0": ("start",)},
        {"event.category": ("process",), "event.type": ("start",)},
    ]


def test_ecs_names_are_mapped_as_the_views_map_them():
    found = places_of(
        rule(And((Test("process.command_line", "contains", "a"), Test("process.parent.name", "equals", "b")))),
        ["windows_sysmon", "windows_security"],
    )
    assert [(p.column("process.command_line"), p.column("Process.Parent.Name")) for p in found] == [
        ("CommandLine", "basename(ParentImage)"),
        ("first(CommandLine, ProcessCommandLine)", "basename(ParentProcessName)"),
    ]


def test_every_mapping_can_be_read():
    used = set()
    for entry in _entries():
        assert entry.places
        for place in entry.places:
            for column in place.columns.values():
                tree = expression(column)
                assert (tree is None) == ("(" not in column and "`" not in column), column
                used |= set(_lookups(tree)) if tree is not None else set()
    assert used <= set(_known_lookups())


def _lookups(tree: Expression) -> list[str]:
    if not isinstance(tree, Call):
        return []
    own = [tree.words[0]] if tree.function == "lookup" else []
    return own + [name for argument in tree.arguments for name in _lookups(argument)]


def _known_lookups() -> Collection[str]:
    from vizsla.view import lookups

    return lookups()


def test_tables_are_named_as_sources_name_them():
    names = {place.table for entry in _entries() for place in entry.places}
    names |= {pattern for patterns in _declared()["products"].values() for pattern in patterns}
    for name in names:
        plain = name.removesuffix("*").replace("{service}", "s").replace("{product}", "p")
        assert plain == slug(plain) + ("_" if plain.endswith("_") else ""), name


LAKE: Mapping[str, Collection[str]] = {
    "windows_security": ("EventID", "NewProcessName", "_id"),
    "zeek_dns": ("query",),
}
IMAGE, HASHES = Test("Image", "contains", "a"), Test("Hashes", "contains", "b")


@pytest.mark.parametrize(
    ("condition", "lacking"),
    [
        (IMAGE, ""),
        (Test("image", "contains", "a"), ""),
        (HASHES, "windows_security has no Hashes"),
        (Or((IMAGE, HASHES)), ""),
        (And((IMAGE, HASHES)), "windows_security has no Hashes"),
        (And((IMAGE, Not(HASHES))), ""),
        (Not(IMAGE), ""),
        (Not(Not(HASHES)), "windows_security has no Hashes"),
        (Test("Hashes", "null", ""), ""),
        (Test("Hashes", "exists", "false"), ""),
        (Test("Hashes", "exists", "true"), "windows_security has no Hashes"),
        (Not(Test("Hashes", "null", "")), "windows_security has no Hashes"),
        (Test("", "contains", "a"), ""),
        (Test("CommandLine", "contains", "a"), "windows_security has no CommandLine/ProcessCommandLine"),
    ],
)
def test_what_a_lake_lacks_is_said(condition, lacking):
    assert unanswerable(rule(condition), LAKE) == lacking


def test_tables_that_a_lake_lacks_are_said():
    assert unanswerable(rule(IMAGE, LogSource("", "windows", "system")), LAKE) == (
        "no data here: product windows, service system lies in windows_system"
    )
    assert unanswerable(rule(IMAGE, LogSource("", "???", "")), LAKE) == "no table is known to hold product ???"
    assert unanswerable(rule(Test("query", "contains", "a"), LogSource("dns")), LAKE) == ""
    assert unanswerable(rule(IMAGE), {"windows_sysmon": ("Image",)}) == "windows_sysmon has no EventID"


def test_correlations_can_be_answered_where_what_they_speak_of_can():
    good, bad = rule(IMAGE, name="good"), rule(HASHES, name="bad")
    kinds = {"counted": "event_count", "together": "temporal", "odd": "event_count"}
    spoken = {"counted": ("good", "bad"), "together": ("good", "bad"), "odd": ("bad",)}
    others = [
        rule(None, LogSource(), name, correlation=Correlation(kind, spoken[name], 60)) for name, kind in kinds.items()
    ]
    outer = rule(None, LogSource(), "outer", correlation=Correlation("event_count", ("counted",), 60))
    found = answerable([outer, *others, good, bad], LAKE)
    assert [name for name, why in found.items() if why] == ["together", "odd", "bad"]
    lost = rule(None, LogSource(), "lost", correlation=Correlation("event_count", ("nowhere",), 60))
    assert answerable([lost], LAKE)["lost"]


def test_rules_are_chosen_by_what_they_say():
    one = rule(IMAGE, name="one", tags=("attack.execution", "attack.t1059.001"))
    low = Rule("low", "1", "low", "low", "stable", LogSource("", "linux", ""), IMAGE)
    assert chosen([one, low], Wanted()) == (one, low)
    assert chosen([one, low], Wanted(level="medium")) == (one,)
    assert chosen([one, low], Wanted(statuses=("stable",))) == (low,)
    assert chosen([one, low], Wanted(products=("linux", "macos"))) == (low,)
    for tag in ("T1059", "t1059.001", "attack.execution", "attack.T1059"):
        assert chosen([one, low], Wanted(tags=(tag,))) == (one,)
    assert chosen([one, low], Wanted(tags=("T105", "attack.exec"))) == ()
    for wrong in ({"level": "highest"}, {"statuses": ("old",)}):
        with pytest.raises(UsageError):
            Wanted(**wrong)


def test_what_a_chosen_correlation_speaks_of_comes_along_silently():
    base = Rule("base", "1", "base", "low", "test", PROCESS, IMAGE)
    outer = rule(None, LogSource(), "outer", correlation=Correlation("event_count", ("base",), 60))
    found = chosen([base, outer], Wanted(level="high"))
    assert [(one.id, one.silent) for one in found] == [("base", True), ("outer", False)]
    hushed = Rule("base", "1", "base", "critical", "test", PROCESS, IMAGE, silent=True)
    assert [one.silent for one in chosen([hushed, outer], Wanted())] == [True, False]
    assert [(one.id, one.silent) for one in chosen([hushed, outer], Wanted(level="critical"))] == [("base", False)]


@pytest.mark.real_data
def test_every_rule_of_sigmahq_has_a_place(real_data):
    found = load([real_data / "sigma" / name for name in ("rules-emerging-threats", "rules-threat-hunting")])
    assert [one.logsource for one in found.rules if not places_of(one)] == []


def test_a_place_holds_what_its_pattern_says():
    assert Place("a_*").holds("a_b") and not Place("a_*").holds("b_a") and not Place("a").holds("a_b")
