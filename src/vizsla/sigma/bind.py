"""Rules bound to a table: their fields become expressions over its columns, their tests become atoms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vizsla.errors import ViewError
from vizsla.sigma.atoms import JOINED, PAIRS, Atom
from vizsla.sigma.program import FALSE, TRUE, Builder, Tree, both, either, negated
from vizsla.sigma.reading import EXTRA
from vizsla.sigma.rule import And, Condition, Not, Or, Test
from vizsla.views import grammar

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*|[0-9]+")
Columns = Mapping[str, str]
_Kin = tuple[str, str, bool, str]  # what tests share that are one atom: column, how, cased, than


class Binder:
    """Binds rules to a table of these columns (None: a table may have any)."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.builder = Builder()
        self._names = None if names is None else {name.lower(): name for name in reversed(names)}
        self._every = () if names is None else tuple(n for n in names if n == EXTRA or not n.startswith("_"))
        self._asked: dict[str, None] = {}
        self._anywhere = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The native columns that what was bound looks at."""
        asked = dict.fromkeys(self._every if self._anywhere else ())
        for name in self._asked:
            if self._names is None:
                asked[name] = None
            elif (held := self._names.get(name.lower())) is not None:
                asked[held] = None
            elif EXTRA in self._names:
                asked[EXTRA] = None
        return tuple(asked)

    def condition(self, condition: Condition, columns: Columns) -> Tree:
        """A condition over the table's columns. What no event of the table can have is settled here."""
        if isinstance(condition, Test):
            return self._test(condition, columns)
        if isinstance(condition, Not):
            return negated(self.condition(condition.of, columns))
        if isinstance(condition, And):
            return both([self.condition(inner, columns) for inner in condition.of])
        return either(self._either(condition, columns))

    def lacking(self, condition: Condition, columns: Columns) -> tuple[str, ...]:
        """The fields of a condition that the table does not have, in order."""
        return tuple(
            dict.fromkeys(
                name
                for test in _tests(condition)
                for name in (test.field, *((test.value,) if test.how in PAIRS else ()))
                if name and not self.holds(self.expression(name, columns))
            )
        )

    def expression(self, name: str, columns: Columns) -> str:
        """A rule's field as an expression over native columns, in the views' grammar."""
        text = columns.get(name) or columns.get(name.lower())
        if text is None:
            return quoted(name)
        if "(" not in text and "`" not in text:
            return quoted(text)
        try:
            grammar.parse(text, name)
        except ViewError:
            return quoted(text)  # a name, whatever signs it holds
        return text

    def holds(self, expression: str) -> bool:
        """Whether the table has any column of an expression."""
        if self._names is None or EXTRA in self._names:
            return True
        return any(name.lower() in self._names for name in _columns(expression))

    def needs(self, expressions: Iterable[str]) -> None:
        """These are looked at."""
        for expression in expressions:
            self._asked.update(dict.fromkeys(_columns(expression)))

    def _either(self, condition: Or, columns: Columns) -> list[Tree]:
        """What stands side by side: tests of one column that ask alike become one."""
        groups: dict[_Kin, list[Test]] = {}
        parts: list[_Kin | Condition] = []
        for inner in condition.of:
            if isinstance(inner, Test) and inner.how in JOINED:
                kin = (inner.field, inner.how, inner.cased, inner.than)
                if kin not in groups:
                    groups[kin] = []
                    parts.append(kin)
                groups[kin].append(inner)
            else:
                parts.append(inner)
        return [
            self._joined(groups[part], columns) if isinstance(part, tuple) else self.condition(part, columns)
            for part in parts
        ]

    def _test(self, test: Test, columns: Columns) -> Tree:
        return self._joined([test], columns)

    def _joined(self, tests: list[Test], columns: Columns) -> Tree:
        """Tests that differ in their values alone, as one atom."""
        first = tests[0]
        values = tuple(dict.fromkeys(test.value for test in tests))
        column = ""
        if first.field:
            column = self.expression(first.field, columns)
            if first.how in PAIRS:
                values = tuple(self.expression(value, columns) for value in values)
            if not all(map(self.holds, (column, *(values if first.how in PAIRS else ())))):
                return TRUE if Atom(column, first.how, values).of_absent else FALSE
            self.needs((column, *(values if first.how in PAIRS else ())))
        else:
            self._anywhere = True
        literals: tuple[str, ...] = ()
        if all(test.literals for test in tests):
            literals = tuple(dict.fromkeys(text for test in tests for text in test.literals))
        return self.builder.atom(Atom(column, first.how, values, first.cased, literals, first.than))


def quoted(name: str) -> str:
    """A column's name in the views' grammar, which knows no backquotes within one."""
    return name if _PLAIN.fullmatch(name) else f"`{name.replace('`', '') or ' '}`"


def _columns(expression: str) -> tuple[str, ...]:
    return grammar.columns(grammar.parse(expression, "a rule's field"))


def _tests(condition: Condition) -> Iterable[Test]:
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from _tests(condition.of)
    else:
        for inner in condition.of:
            yield from _tests(inner)
