"""`vizsla verdict`: what you say of a finding, kept in the lake; what is benign is hidden from then on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, lake_path, moment, span
from vizsla.errors import UsageError

if TYPE_CHECKING:
    from vizsla.nouns.verdict import Verdict
    from vizsla.verdicts.preview import Preview

_LISTED = 10
_LENGTH = re.compile(r"\d+(\.\d+)?\s*[smhdw]", re.IGNORECASE)


class Group(TyperGroup):
    """`vizsla verdict ID malicious` needs no word between: what is no command begins `give`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As a group does, with `give` put in where no command is named. `ctx`: the parser's own."""
        first = next((a for a in args if not a.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = ["give", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Say what a finding is: vizsla verdict ID malicious|benign|unsure.\n\n"
    "Benign verdicts hide, as far as they reach, what they were given of; ten of each class and more re-weight "
    "the list. Nothing is ever edited: what is taken back is taken back by a record more.",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
)


class JudgementName(StrEnum):
    """What is said of a finding."""

    MALICIOUS = "malicious"
    BENIGN = "benign"
    UNSURE = "unsure"


class ScopeName(StrEnum):
    """How far a verdict reaches."""

    FINDING = "finding"
    PATTERN = "pattern"
    PATTERN_HOST = "pattern+host"
    PATTERN_USER = "pattern+user"


IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A finding's id, its first digits, or its rank.")]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who says so. Default: $VIZSLA_ANALYST, or your account.")
]


def give(
    id: IdArgument,
    judgement: Annotated[JudgementName, typer.Argument(metavar="malicious|benign|unsure", help="What it is.")],
    scope: Annotated[
        ScopeName | None,
        typer.Option(
            "--scope",
            help="How far it reaches. Default: benign reaches the pattern on these hosts, others the finding.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help="Hide only where a native field is so: Image=*backup.exe, where * stands for anything; "
            "FIELD~VALUE: of the same shape; repeatable.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who come after you.")] = "",
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="When it ends by itself: 2027-03-31, or 90d from now.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what a benign verdict would hide; keep nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Keep it though it hides what was judged malicious.")] = False,
    by: ByOption = None,
    lake: LakeOption = None,
) -> None:
    """Say what a finding is. `give` may be left out: vizsla verdict ID benign."""
    guard.doing("looking up the finding")
    from vizsla import findings
    from vizsla.faces import python
    from vizsla.verdicts import VerdictStore
    from vizsla.verdicts.give import verdict_on
    from vizsla.verdicts.preview import preview as look

    home = python.open_lake(lake_path(lake))
    finding = findings.load(home, id)
    made = verdict_on(
        finding, judgement.value, reach=scope.value if scope else None, where=where or (), reason=reason,
        until=_end(until), by=by,
    )  # fmt: skip
    if made.judgement == "benign":
        found = look(home, made)
        _tell(made, found)
        if preview:
            print("Nothing was kept (--preview).")
            return
        if found.dangerous and not force:
            raise UsageError(
                "this exception would hide what was judged malicious",
                where=", ".join(v.id for v in found.malicious[:5]),
                fix="a narrower --scope, or --where; --force keeps it all the same",
            )
    elif preview:
        raise UsageError("only a benign verdict hides anything", where="--preview", fix="leave --preview out")
    VerdictStore(home).add(made)
    _kept(made, finding.instances)
    if made.judgement != "benign":
        _hushed(home, made)


def _end(until: str | None) -> datetime | None:
    if until is None:
        return None
    if _LENGTH.fullmatch(until.strip()):
        return datetime.now(UTC) + span(until, "--until")
    return moment(until, "--until")


def _tell(verdict: Verdict, found: Preview) -> None:
    """What the exception hides of what is known."""
    from vizsla.faces.words import counted
    from vizsla.safe import shortened, visible

    others = [f for f in found.findings if f.id != verdict.finding]
    print(f"Of what was found before it hides this finding and {counted(len(others), 'other')}.")
    for finding in others[:_LISTED]:
        print(f"  {finding.id[:12]}  {finding.tier}  {shortened(visible(finding.title), 100)}")
    if len(others) > _LISTED:
        print(f"  and {len(others) - _LISTED:,} more")
    if found.partly:
        print(f"In part: {counted(len(found.partly), 'finding')} with more evidence, which would stand with the rest.")
    for judged in found.malicious:
        print(f"Judged malicious: {judged.finding[:12]} (verdict {judged.id}), {shortened(visible(judged.title), 100)}")
    for finding in found.techniques[:_LISTED]:
        print(f"Validated technique: {shortened(visible(finding.title), 100)}")


def _kept(verdict: Verdict, instances: int) -> None:
    from vizsla.safe import visible

    until = f", until {verdict.until:%Y-%m-%d %H:%M} UTC" if verdict.until else ""
    print(f"Kept: {verdict.finding[:12]} is {verdict.judgement} ({_reach(verdict)}{until}); verdict {verdict.id}.")
    if verdict.reach == "finding" and instances > 1:
        print(f"It is about one of {instances:,} instances; --scope pattern+host reaches all of them.")
    console.say(f"to take it back: vizsla verdict undo {visible(verdict.id)}")


def _reach(verdict: Verdict) -> str:
    from vizsla.safe import shortened, visible

    named = {"pattern+host": verdict.hosts, "pattern+user": verdict.users}.get(verdict.reach, ())
    where = f" where {' and '.join(map(str, verdict.where))}" if verdict.where else ""
    return visible(shortened(verdict.reach + (": " + ", ".join(named) if named else "") + where, 160))


def _hushed(home: object, verdict: Verdict) -> None:
    """Exceptions that hide such findings must not go unnoticed."""
    from vizsla.lake import Lake
    from vizsla.verdicts import VerdictStore
    from vizsla.verdicts.preview import hides_like

    if verdict.judgement != "malicious" or not isinstance(home, Lake):
        return
    for other in VerdictStore(home).standing():
        if other.judgement == "benign" and hides_like(other, verdict) != "not":
            print(f"Exception {other.id} hides findings like this one: vizsla verdict undo {other.id}")


def list_(
    all: Annotated[bool, typer.Option("--all", help="Also those that ended, were replaced or taken back.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
    lake: LakeOption = None,
) -> None:
    """The verdicts of a lake, the latest first: what each reaches, and which hide findings."""
    from vizsla.faces import python
    from vizsla.faces.arrow import renderable
    from vizsla.faces.verdicts import lines, table
    from vizsla.verdicts import VerdictStore

    kept = [k for k in reversed(VerdictStore(python.open_lake(lake_path(lake))).all()) if all or k.state == "stands"]
    if json:
        console.write(lines(kept), None)
    elif kept:
        console.show(renderable(table(kept), console.width()))
    else:
        print("No verdict stands." if not all else "No verdict was given.")


def undo(
    id: Annotated[str, typer.Argument(metavar="ID", help="The verdict's id, or its first digits.")],
    by: ByOption = None,
    lake: LakeOption = None,
) -> None:
    """Take a verdict back; it stays on record."""
    from vizsla.faces import python
    from vizsla.safe import visible
    from vizsla.verdicts import VerdictStore
    from vizsla.verdicts.give import analyst

    back = VerdictStore(python.open_lake(lake_path(lake))).undo(id, by or analyst())
    print(f"Taken back: verdict {back.id}, that {back.finding[:12]} is {back.judgement} ({visible(_reach(back))}).")


for _name, _command in (("give", give), ("list", list_), ("undo", undo)):
    app.command(_name)(guard.guarded(_command))
