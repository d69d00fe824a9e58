"""The reference pages, written from the registries: `python -m vizsla.docs docs/reference`.

Nothing on these pages is written by hand, so nothing on them can be out of date: a test compares them with what
stands in the repository. Text that a plug-in or a table provides is shown as it is, with Markdown's own signs escaped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from vizsla.source import Source

HEAD = "<!-- Written by `make docs` from the code: change it there. -->\n"


def cell(text: object) -> str:
    """Text within a cell of a table."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def code(text: object) -> str:
    """Text as code within a cell of a table."""
    return f"`{str(text).replace('|', chr(92) + '|')}`"


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown, followed by an empty line."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in body:
        yield f"| {' | '.join(row)} |"
    yield ""


def sources() -> Iterator[str]:
    """Every source, and every table with its declared columns."""
    from vizsla.source import TableSpec
    from vizsla.sources import registry
    from vizsla.sources._declared import verified

    yield "# Sources"
    yield ""
    yield (
        "What can be read. The content decides which source reads a file, not its name. *Verified* is a format that a "
        "real sample or a named public specification stands behind, and whose counts of rows and fields are checked "
        "against values written down beforehand; the others are called unverified."
    )
    yield ""
    found = registry()
    body = [
        [code(s.name), cell(s.doc), ", ".join(code(t.name) for t in s.tables), ", ".join(_views_of(s)),
         cell(verified(s.name) or "**unverified**")]
        for s in found.values()
    ]  # fmt: skip
    yield from rows(("source", "reads", "tables", "views", "verified by"), body)
    yield "## Tables"
    yield ""
    yield (
        "Columns that are always there, empty or not. Whatever else a record holds is kept under its own name, as "
        "text. Besides them every table has `_time` (UTC), `_host` (lower case), `_id`, `_origin` (file and place) and "
        "`_day`."
    )
    yield ""
    tables: dict[str, TableSpec] = {}
    for source in found.values():
        for table in source.tables:
            tables.setdefault(table.name, table)
    for name, table in tables.items():
        yield f"### {name}"
        yield ""
        yield f"{table.doc}."
        yield ""
        yield ", ".join(code(column) for column in table.columns)
        yield ""


def _views_of(source: Source) -> list[str]:
    """The views that a source's tables fill."""
    from fnmatch import fnmatchcase

    from vizsla.view import views as all_views

    patterns = [table.name for table in source.tables]
    return [
        code(name)
        for name, view in all_views().items()
        if any(fnmatchcase(table, pattern) for table in view.tables for pattern in patterns)
    ]


def views() -> Iterator[str]:
    """Every view: its fields, and how each table fills them."""
    from vizsla.view import views as every

    yield "# Views"
    yield ""
    yield (
        "One kind of activity across tables, with the names and types of the Elastic Common Schema. Every view begins "
        "with `_id`, `_time`, `_host` and `_table`. A field that a table cannot fill is null for its events."
    )
    yield ""
    found = every()
    body = [[f"[{name}](#{name})", cell(v.doc), ", ".join(code(t) for t in v.tables)] for name, v in found.items()]
    yield from rows(("view", "holds", "from"), body)
    for name, view in found.items():
        yield f"## {name}"
        yield ""
        yield view.doc
        yield ""
        yield from rows(("field", "type", "meaning"), [[code(f.name), f.type, cell(f.doc)] for f in view.fields])
        yield from _mappings(name)


def _mappings(name: str) -> Iterator[str]:
    """Which native columns fill a view, as its YAML file says it."""
    content = from_package("vizsla.views", f"{name}.yaml")
    body = []
    for table, spec in content["tables"].items():
        shared = spec.get("fields", {})
        for event in spec["events"]:
            where = "; ".join(f"{c} {', '.join(map(str, v))}" for c, v in event.get("where", {}).items()) or "all"
            filled = {**shared, **event.get("fields", {})}
            sets = "; ".join(str(v) for v in event.get("set", {}).values())
            body.append(
                [code(table), cell(where), cell(sets), ", ".join(f"{code(f)} = {cell(t)}" for f, t in filled.items())]
            )
    yield "How it is filled:"
    yield ""
    yield from rows(("table", "events", "set to", "fields"), body)


def analytics() -> Iterator[str]:
    """Every analytic: what it scores, what it needs, and what it is evidence of."""
    from vizsla.analytics import registry

    yield "# Analytics"
    yield ""
    yield "What turns events into evidence. `vizsla hunt --analytic NAME` runs one alone."
    yield ""
    body = [
        [code(a.name), cell(a.doc), cell(a.unit), cell(a.family), cell("; ".join(map(str, a.needs)) or "any events")]
        for a in registry().values()
    ]
    yield from rows(("analytic", "tells", "scores", "family", "needs"), body)


def feeds() -> Iterator[str]:
    """Every format of intelligence, and what of STIX and MISP is understood."""
    from vizsla.feeds import registry
    from vizsla.feeds.misp import mapped
    from vizsla.intel.pattern import known

    yield "# Formats of intelligence"
    yield ""
    yield "What `vizsla intel add` reads. The content says which format a file is of; `--format` says so itself."
    yield ""
    yield from rows(("format", "reads"), ([code(feed.name), cell(feed.doc)] for feed in registry().values()))
    yield "## What STIX patterns may ask for"
    yield ""
    yield "Equality with a value is an indicator of its type; where a view holds the field, any pattern is evaluated."
    yield ""
    body = [
        [code(path), code(type) if type else "", ", ".join(code(f"{place.view} {place.field}") for place in places)]
        for path, type, places in known()
    ]
    yield from rows(("object path", "type of indicator", "view and field"), body)
    yield "## MISP's types of attributes"
    yield ""
    yield "Types joined by `|` are taken apart. Those that are not here are refused, with their name."
    yield ""
    yield from rows(("attribute", "is"), ([code(name), code(what)] for name, what in mapped().indicators.items()))
    body = [[code(name), cell(why)] for name, why in mapped().others.items()]
    yield from rows(("attribute", "is not used"), body)


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    from typer.main import get_command

    from vizsla.cli.main import app

    yield "# Commands"
    yield ""
    yield (
        "Exit codes: 0 done; 1 findings at the tier of `--fail-above`; 2 usage or an error; 3 a recognised file was "
        "damaged."
    )
    yield ""
    yield from _command(("vizsla",), get_command(app))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    if not below:
        yield f"## {' '.join(path)}"
        yield ""
        yield " ".join((command.help or "").split())
        yield ""
        hints = get_type_hints(command.callback)
        body = [_parameter(p, hints[p.name]) for p in command.params if p.name in hints]
        yield from rows(("argument or option", "meaning", "default"), body)
    for name, sub in sorted(below.items()):
        yield from _command((*path, name), sub)


def _parameter(parameter: Any, hint: object) -> list[str]:
    """One line of a command's table. `hint`: the Python type, which knows the choices."""
    about = cell(parameter.help or "")
    if parameter.param_type_name == "argument":
        many = "…" if parameter.nargs == -1 else ""
        return [code(f"{parameter.metavar}{many}"), about, "must be given" if parameter.required else ""]
    names, default = ", ".join([*parameter.opts, *parameter.secondary_opts]), parameter.default
    if hint is bool:
        turned_on = default is True and parameter.secondary_opts
        return [code(names), about, code(parameter.opts[0]) if turned_on else ""]
    choices = [member.value for part in (hint, *get_args(hint)) for member in _members(part)]
    takes = "|".join(choices) or parameter.metavar or ""
    shown = "" if default is None else code(getattr(default, "value", default))
    return [code(f"{names} {takes}".strip()), about, shown]


def _members(hint: object) -> Sequence[Enum]:
    return list(hint) if isinstance(hint, type) and issubclass(hint, Enum) else []


def techniques() -> Iterator[str]:
    """ATT&CK techniques, and the rules that lead from evidence to them."""
    from vizsla.intel import attack

    content = from_package("vizsla.triage", "attack.yaml")
    rules, names = content["rules"], attack.load().techniques
    implied = {technique for rule in rules for technique in rule["techniques"]}
    yield "# ATT&CK techniques"
    yield ""
    yield (
        f"{len(rules)} rules lead from evidence to {len(implied)} techniques. Their grammar stands at the head of "
        "`src/vizsla/triage/attack.yaml`."
    )
    yield ""
    body = [
        [
            code(rule["id"]),
            ", ".join(code(kind) for kind in rule["kind"]),
            ", ".join(f"{t} {cell(names[t].name)}" for t in rule["techniques"]),
        ]
        for rule in rules
    ]
    yield from rows(("rule", "looks at", "implies"), body)


def relevance() -> Iterator[str]:
    """The relevance table: what kinds of event, tactics and places weigh."""
    content = from_package("vizsla.triage", "relevance.yaml")
    least, most = content["limits"]["least"], content["limits"]["most"]
    yield "# Relevance"
    yield ""
    yield (
        "Surprise is not suspicion. These bits are judgements, not measurements: how much more a surprising event of "
        f"this kind serves an intruder than a boot, an update or an installation. Together from {least} to {most}. "
        "Every line that counted stands in a finding's ledger."
    )
    yield ""
    for title, key in (("By kind of event", "kinds"), ("By tactic", "tactics")):
        yield f"## {title}"
        yield ""
        yield from rows((key, "bits"), [[code(name), f"{bits:+g}"] for name, bits in content[key].items()])
    yield "## By the acting program's place"
    yield ""
    body = [[cell(p["name"]), cell(p["why"]), f"{p['bits']:+g}"] for p in content["places"]]
    yield from rows(("place", "why", "bits"), body)


def findings() -> Iterator[str]:
    """The schema of findings in JSON lines."""
    schema = json.loads(files("vizsla").joinpath("schema/finding.schema.json").read_text(encoding="utf-8"))
    yield "# JSON lines of a finding"
    yield ""
    yield f"{schema['description']} The schema itself: `src/vizsla/schema/finding.schema.json`."
    yield ""
    parts = {"finding": schema, **schema["$defs"]}
    for name, part in parts.items():
        yield f"## {name}"
        yield ""
        yield from rows(
            ("name", "type", "meaning"),
            [[code(n), cell(_type(p)), cell(p.get("description", ""))] for n, p in _flat(part)],
        )


def _flat(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, prop in part.get("properties", {}).items():
        yield before + name, prop
        inner = prop.get("items", prop)
        if "properties" in inner:
            yield from _flat(inner, f"{before}{name}{'[]' if 'items' in prop else ''}.")


def _type(prop: Mapping[str, Any]) -> str:
    if "$ref" in prop:
        return str(prop["$ref"]).rpartition("/")[2]
    if "const" in prop:
        return json.dumps(prop["const"])
    if "enum" in prop:
        return " or ".join(map(str, prop["enum"]))
    if "anyOf" in prop or "oneOf" in prop:
        return " or ".join(_type(p) for p in prop.get("anyOf") or prop["oneOf"])
    kind = prop.get("type", "any")
    if kind == "array" and prop.get("items"):
        return f"list of {_type(prop['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "analytics.md": analytics,
    "commands.md": commands,
    "feeds.md": feeds,
    "findings.md": findings,
    "relevance.md": relevance,
    "sources.md": sources,
    "techniques.md": techniques,
    "views.md": views,
}


def from_package(package: str, name: str) -> Any:
    """A YAML table of a package."""
    from vizsla.declared import from_yaml

    return from_yaml(files(package).joinpath(name).read_text(encoding="utf-8"))


def page(name: str) -> str:
    """A reference page by its file's name."""
    return HEAD + "\n".join(PAGES[name]()).rstrip() + "\n"


def write(folder: Path) -> list[Path]:
    """Write all pages below `folder`; those that changed, which are told apart from those that did not."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name in PAGES:
        path, text = folder / name, page(name)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def main(arguments: Sequence[str]) -> int:
    """`python -m vizsla.docs FOLDER`."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m vizsla.docs FOLDER", file=sys.stderr)
        return 2
    for path in write(Path(arguments[0])):
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
