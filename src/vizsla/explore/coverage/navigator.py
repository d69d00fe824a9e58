"""Coverage of techniques as a layer of MITRE's ATT&CK Navigator (layer format 4.5, which Navigator 4.9 and later read).

A technique's score tells which of the three cover it, so that the Navigator can filter and combine layers by it:
4 for a rule that has data here, 2 for evidence of analytics, 1 for data at hand; their sum. The colour says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from vizsla.nouns.coverage import ComponentSeen, TechniqueSeen
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from vizsla.intel.attack import Attack

FORMAT, NAVIGATOR = "4.5", "5.0.0"
RULES, ANALYTICS, DATA = 4, 2, 1
# By score; what has a score of 0 is told apart by whether rules exist that lack data.
COLOURS: Mapping[int, tuple[str, str]] = {
    7: ("#116329", "rules, analytics and data"),
    6: ("#2da44e", "rules and analytics; not the data that ATT&CK names"),
    5: ("#6fbf73", "rules and data"),
    4: ("#aceebb", "rules; not the data that ATT&CK names"),
    3: ("#218bff", "analytics and data, no rule"),
    2: ("#b6e3ff", "analytics, no rule"),
    1: ("#eac54f", "data at hand, and nothing that looks for it"),
}
WAITING = ("#fb8f44", "rules that lack their data")
NOTHING = ("#ff8182", "neither rules, analytics nor data")
_NAMED = 8  # rules, rows and components named of a technique
_TITLE = 120


def score(seen: TechniqueSeen) -> int:
    """0 to 7: the sum of what covers it."""
    return RULES * seen.by_rules + ANALYTICS * seen.by_analytics + DATA * seen.by_data


def layer(found: Sequence[TechniqueSeen], attack: Attack, *, name: str = "Vizsla: coverage") -> dict[str, object]:
    """The layer, ready for JSON: each technique under each of its tactics, in order of id. The same for the same."""
    told = [one for seen in found for one in _placed(seen)]
    inside = [seen for seen in found if not seen.outside]
    sums = (sum(s.by_rules for s in inside), sum(s.by_analytics for s in inside), sum(s.by_data for s in inside))
    return {
        "name": name,
        "versions": {"attack": attack.version.partition(".")[0], "navigator": NAVIGATOR, "layer": FORMAT},
        "domain": _domain(attack),
        "description": (
            f"Of {len(inside)} techniques and sub-techniques that leave traces in logs, {sums[0]} have a rule with "
            f"data here, {sums[1]} can be implied by what analytics find, and for {sums[2]} data is at hand that "
            "ATT&CK names. Score: 4 for rules, 2 for analytics, 1 for data. A technique counts what looks for its "
            "sub-techniques; data is its own."
        ),
        "sorting": 3,
        "layout": {
            "layout": "side",
            "showID": True,
            "showName": True,
            "showAggregateScores": False,
            "countUnscored": False,
            "aggregateFunction": "max",
            "expandedSubtechniques": "none",
        },
        "hideDisabled": False,
        "techniques": told,
        "gradient": {"colors": ["#ff8182", "#eac54f", "#116329"], "minValue": 0, "maxValue": RULES + ANALYTICS + DATA},
        "legendItems": [
            {"label": label, "color": colour} for colour, label in (*COLOURS.values(), WAITING, NOTHING)
        ],
        "showTacticRowBackground": False,
        "tacticRowBackground": "#dddddd",
        "selectTechniquesAcrossTactics": True,
        "selectSubtechniquesWithParent": False,
        "selectVisibleTechniques": False,
        "metadata": [{"name": "made by", "value": "vizsla coverage --format navigator"}],
    }  # fmt: skip


def dumped(made: Mapping[str, object]) -> bytes:
    """A layer as JSON text."""
    return orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n"


def _domain(attack: Attack) -> str:
    platforms = {platform for technique in attack.techniques.values() for platform in technique.platforms}
    if "Android" in platforms:
        return "mobile-attack"
    return "enterprise-attack" if "Windows" in platforms and "Linux" in platforms else "ics-attack"


def _placed(seen: TechniqueSeen) -> Iterator[dict[str, object]]:
    """A technique under each of its tactics."""
    for tactic in seen.tactics:
        if seen.outside:
            comment = "happens where no log of yours is"
            yield {"techniqueID": seen.id, "tactic": tactic, "enabled": False, "comment": comment}
            continue
        value = score(seen)
        colour = COLOURS[value][0] if value else (WAITING if seen.rules else NOTHING)[0]
        yield {
            "techniqueID": seen.id, "tactic": tactic, "score": value, "color": colour, "comment": comment_of(seen),
            "enabled": True, "metadata": list(_metadata(seen)), "showSubtechniques": False,
        }  # fmt: skip


def comment_of(seen: TechniqueSeen) -> str:
    """The three in a sentence each."""
    with_data = sum(not rule.lacks for rule in seen.rules)
    without = len(seen.rules) - with_data
    rules = f"Rules: {with_data} with data here" + (f", {without} without" if without else "")
    rows = sum(1 for row in seen.implied if row.events)
    analytics = f"Analytics: {rows} of {len(seen.implied)} ways to imply it have events here"
    here = [one.name for one in seen.components if one.events]
    data = f"Data: {len(here)} of {len(seen.components)} data components at hand" if seen.components else (
        "Data: ATT&CK names none"
    )  # fmt: skip
    return f"{rules if seen.rules else 'Rules: none'}. {analytics if seen.implied else 'Analytics: none'}. {data}."


def _metadata(seen: TechniqueSeen) -> Iterator[dict[str, object]]:
    """What covers it, and what is missing, by name; a line between the three."""
    groups: list[list[tuple[str, str]]] = [
        [
            ("rule" if not rule.lacks else "rule without data", _rule(rule.level, rule.title, rule.lacks))
            for rule in seen.rules[:_NAMED]
        ],
        [("analytics", f"{row.name}: {row.events:,} events") for row in seen.implied[:_NAMED]],
        [("data" if one.events else "data missing", component(one)) for one in seen.components[:_NAMED]],
    ]
    for left, what in ((len(seen.rules), "rules"), (len(seen.implied), "analytics"), (len(seen.components), "data")):
        if left > _NAMED:
            groups[("rules", "analytics", "data").index(what)].append((what, f"and {left - _NAMED} more"))
    first = True
    for group in groups:
        if group and not first:
            yield {"divider": True}
        for name, value in group:
            yield {"name": name, "value": value}
        first = first and not group


def _rule(level: str, title: str, lacks: str) -> str:
    said = f"{level}: {shortened(visible(title), _TITLE)}"
    return f"{said} ({shortened(visible(lacks), _TITLE)})" if lacks else said


def component(one: ComponentSeen) -> str:
    """A data component in words: where its events are, or what would bring them."""
    if one.events:
        return f"{one.name}: {one.events:,} events in {', '.join(one.tables)}"
    if one.brings:
        return f"{one.name}: would come with {' or '.join(one.brings)}"
    return f"{one.name}: {'no log that is read here' if one.view else 'no view'} shows it"
