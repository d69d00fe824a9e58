"""Rules from files: what loads, what does not and why. One rule that cannot be used costs that rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused
from vizsla.nouns.level import LEVELS
from vizsla.safe import shortened
from vizsla.sigma.documents import Document, Text, documents, texts
from vizsla.sigma.link import linked, narrowed
from vizsla.sigma.plain import digest, version
from vizsla.sigma.rule import Filter, LogSource, Rule

STATUSES = ("unsupported", "deprecated", "experimental", "test", "stable")
REASON = 400  # characters of why a rule cannot be used
_KEYS = ("detection", "correlation", "filter", "action")
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules that can be used, those that cannot, and what was odd about some that can.

    refused: one per rule, filter or file that was left out: its place and why.
    told: what a reader should know of rules that are used: the same rule twice, a level that is none.
    passed: YAML files in folders that hold no rules at all. filters: how many narrow others' rules.
    """

    rules: tuple[Rule, ...] = ()
    refused: tuple[Refused, ...] = ()
    told: tuple[Refused, ...] = ()
    passed: int = 0
    filters: int = 0

    def only(self, rules: Iterable[Rule]) -> Loaded:
        """The same, with these rules alone."""
        return replace(self, rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class Unit:
    """What one file holds, whatever it is called: places are '' or '#line'.

    rules: correlations among them, what they speak of as it is written. loud: ids of the correlations that let the
    rules that they speak of speak on.
    """

    rules: tuple[Rule, ...] = ()
    loud: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    refused: tuple[Refused, ...] = ()
    told: tuple[Refused, ...] = ()
    passed: int = 0


def load(
    paths: Sequence[str | Path],
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """The rules at these paths: files, folders (with those below), zip archives; YAML of one or many documents.

    `placeholders`: the values of %names% (see `read_placeholders`). `progress` is told how many files were read.
    Raises RuleError where a path is not there.
    """
    return of_texts([text for path in paths for text in texts(Path(path))], placeholders, progress)


def of_texts(
    found: Sequence[Text | Refused],
    placeholders: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """The rules of files that were read already."""
    units: list[tuple[str, Unit]] = []
    for number, one in enumerate(found, 1):
        units.append((one.name, unit(one, placeholders)) if isinstance(one, Text) else lost(one))
        if progress is not None:
            progress(number)
    return assembled(units)


def unit(text: Text, placeholders: Mapping[str, Sequence[str]] | None = None) -> Unit:
    """What one file holds: it depends on its content alone, and on whether it was asked for by name."""
    gathered = _Gathered(placeholders)
    gathered.file(replace(text, name=""))
    return Unit(
        tuple(gathered.rules),
        tuple(gathered.loud),
        tuple(gathered.filters),
        tuple(gathered.refused),
        tuple(gathered.told),
        gathered.passed,
    )


def lost(refused: Refused) -> tuple[str, Unit]:
    """A file that could not be read, as a unit."""
    return refused.place, Unit(refused=(Refused("", refused.reason),))


def assembled(units: Iterable[tuple[str, Unit]]) -> Loaded:
    """The rules of files, each with its name: every id once, filters applied, correlations tied to their rules."""
    rules: dict[str, Rule] = {}
    refused: list[Refused] = []
    told: list[Refused] = []
    filters: list[Filter] = []
    loud: set[str] = set()
    passed = 0
    for name, one in units:
        passed += one.passed
        refused += [Refused(name + each.place, each.reason) for each in one.refused]
        told += [Refused(name + each.place, each.reason) for each in one.told]
        filters += [replace(each, place=name + each.place) for each in one.filters]
        for each in one.rules:
            rule = _placed(each, name + each.file)
            known = rules.setdefault(rule.id, rule)
            if known is rule:
                loud.update({rule.id}.intersection(one.loud))
            elif known.version == rule.version:
                told.append(Refused(rule.file, f"the same rule as in {known.file}: used once"))
            else:
                refused.append(Refused(rule.file, f"its id {rule.id} is that of another rule, in {known.file}"))
    fit, idle = narrowed(list(rules.values()), filters)
    tied, stray = linked(fit, loud)
    return Loaded(tuple(tied), (*refused, *stray), (*told, *idle), passed, len(filters))


_FIELDS = tuple(one.name for one in fields(Rule))
_VALUES = attrgetter(*_FIELDS)
_FILE = _FIELDS.index("file")


def _placed(rule: Rule, file: str) -> Rule:
    """The rule, in this file: what `replace` does, in a fifth of the time, for thousands of them."""
    values = list(_VALUES(rule))
    values[_FILE] = file
    return Rule(*values)


def read_placeholders(path: Path) -> dict[str, tuple[str, ...]]:
    """The values of placeholders, by name, out of a YAML map of texts or lists. Raises RuleError."""
    found = next(texts(path))
    if isinstance(found, Refused):
        raise RuleError(found.reason, where=found.place)
    made: dict[str, tuple[str, ...]] = {}
    for document in documents(found):
        if isinstance(document, Refused):
            raise RuleError(document.reason, where=document.place)
        if not isinstance(document.value, dict):
            raise RuleError("placeholders are a map of names to values", where=document.place)
        for name, values in document.value.items():
            listed = values if isinstance(values, list) else [values]
            if any(isinstance(value, dict | list) for value in listed):
                raise RuleError(f"the values of {name!r} must be texts or numbers", where=document.place)
            made[str(name).strip("%")] = tuple(map(str, listed))
    return made


@dataclass(slots=True)
class _Gathered:
    """What was read of one file so far."""

    placeholders: Mapping[str, Sequence[str]] | None
    rules: list[Rule] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    told: list[Refused] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    loud: list[str] = field(default_factory=list)
    passed: int = 0

    def file(self, text: Text) -> None:
        common: dict[str, Any] = {}
        before: dict[str, Any] = {}
        for document in documents(text):
            if isinstance(document, Refused):
                self.refused.append(document)
                continue
            value = document.value
            if not isinstance(value, dict) or not any(key in value for key in _KEYS):
                self._no_rule(document, text)
                continue
            try:
                whole, common, before = _merged(value, common, before)
                if whole is not None:
                    self._document(whole, document.place)
            except RuleError as error:
                self.refused.append(Refused(document.place, f"{error.what}; {error.fix}" if error.fix else error.what))
            except _UNREADABLE as error:
                self.refused.append(Refused(document.place, _plain(error)))

    def _no_rule(self, document: Document, text: Text) -> None:
        """In a folder other files lie beside rules; a file that was named, or that begins like a rule, is no such."""
        if text.asked or (isinstance(document.value, dict) and "logsource" in document.value):
            self.refused.append(Refused(document.place, "no rule: it has neither detection nor correlation nor filter"))
        else:
            self.passed += 1

    def _document(self, value: dict[str, Any], place: str) -> None:
        from vizsla.sigma.compile import detection, listed
        from vizsla.sigma.parse import correlation_of, filter_of

        if "correlation" in value:
            correlation, loud = correlation_of(value)
            rule = self._described(value, place, LogSource(), version=version(None, LogSource(), correlation))
            rule = replace(rule, correlation=correlation)
            self.rules.append(rule)
            if loud:
                self.loud.append(rule.id)
            return
        logsource = _logsource(value)
        if "filter" in value:
            self.filters.append(filter_of(value, place, logsource, self.placeholders))
            return
        if not isinstance(value.get("detection"), dict):
            raise RuleError("'detection' must be a map")
        condition = detection(value["detection"], self.placeholders)
        if logsource.service == "auditd":
            condition = listed(condition, "type", "types")
        rule = self._described(value, place, logsource, version=version(condition, logsource, None))
        self.rules.append(replace(rule, condition=condition))

    def _described(self, value: Mapping[str, Any], place: str, logsource: LogSource, *, version: str) -> Rule:
        """The rule, all but what it asks."""
        level = str(value.get("level") or "medium").lower()
        if level not in LEVELS:
            self.told.append(Refused(place, f"{level[:40]!r} is no level: taken for medium"))
            level = "medium"
        title = str(value.get("title") or "").strip()
        own = str(value.get("id") or "").strip().lower()
        return Rule(
            id=own[:128] or digest(_texts_only({k: v for k, v in value.items() if k != "modified"})),
            version=version,
            title=(title or f"without a title ({str(value.get('name') or own)[:60]})")[:256],
            level=level,
            status=str(value.get("status") or "").lower()[:40],
            logsource=logsource,
            condition=None,
            tags=_list(value.get("tags")),
            description=str(value.get("description") or "").strip(),
            falsepositives=_list(value.get("falsepositives")),
            references=_list(value.get("references")),
            fields=_list(value.get("fields")),
            name=str(value.get("name") or "").strip(),
            author=str(value.get("author") or ""),
            date=str(value.get("modified") or value.get("date") or "").replace("/", "-"),
            file=place,
        )


def _merged(
    value: dict[str, Any], common: dict[str, Any], before: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, Any], dict[str, Any]]:
    """A document with what earlier ones of its file say for all (`action: global`) or for the next (`repeat`).

    Gives the whole rule (None: the document is none itself), and what stands for those that follow.
    """
    action = value.get("action")
    rest = {key: inner for key, inner in value.items() if key != "action"}
    if action == "global":
        return None, rest, rest
    if action == "reset":
        return None, {}, before
    if action == "repeat":
        whole = _over(before, rest)
        return whole, common, whole
    if action is not None:
        raise RuleError(f"an action that Sigma does not know: {str(action)[:40]!r}")
    whole = rest if "correlation" in rest or "filter" in rest else _over(rest, common)
    return whole, common, whole


def _over(under: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """`under`, with all that `upper` says instead, maps within maps too."""
    made = dict(under)
    for key, value in upper.items():
        old = made.get(key)
        made[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return made


def _logsource(value: Mapping[str, Any]) -> LogSource:
    written = value.get("logsource")
    if not isinstance(written, dict):
        raise RuleError("'logsource' must be a map of category, product and service")
    parts = [str(written.get(part) or "").strip().lower() for part in ("category", "product", "service")]
    if not any(parts):
        raise RuleError("the log source names neither category nor product nor service")
    return LogSource(*parts)


def _list(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one) for one in value if one is not None) if isinstance(value, list) else (str(value),)


def _texts_only(value: Any) -> Any:
    """Everything as texts, for a hash: dates and numbers too."""
    if isinstance(value, dict):
        return {str(key): _texts_only(inner) for key, inner in value.items()}
    return [_texts_only(inner) for inner in value] if isinstance(value, list) else str(value)


def _plain(error: Exception) -> str:
    """What a library says, in one line."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    said = " ".join(str(error).split())
    if not (isinstance(error, ValueError) and said):
        said = f"not written as a rule is ({type(error).__name__}: {said})"
    return shortened(said, REASON)  # the reason stands at its end, behind the whole of what it is about
