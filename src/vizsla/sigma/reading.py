"""The columns of batches as expressions name them: native ones, functions of them, and all of them for keywords."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sigma import expression
from vizsla.sigma.column import I64, NOTHING, Column, Derived, Reader, Texts, is_text
from vizsla.views import grammar

EXTRA = "_extra"


class Reading:
    """The columns of one batch after another. What is known of values stays while they stay the same."""

    def __init__(self) -> None:
        self._trees: dict[str, grammar.Expression] = {}
        self._readers: dict[str, Reader] = {}
        self._derived: dict[str, Derived] = {}
        self._batch = pa.RecordBatch.from_pylist([])
        self._names: dict[str, str] = {}
        self._places: dict[str, int] = {}
        self._held: dict[str, Column] = {}
        self._whole: tuple[list[Texts], Texts] = [], NOTHING

    def turn(self, batch: pa.RecordBatch) -> None:
        """Go on to a batch."""
        if batch.schema.names != self._batch.schema.names:
            self._places = {name: place for place, name in reversed(list(enumerate(batch.schema.names)))}
            self._names = {name.lower(): name for name in reversed(batch.schema.names)}
        self._batch = batch
        self._held = {}

    @property
    def rows(self) -> int:
        """Of the batch."""
        count: int = self._batch.num_rows
        return count

    def column(self, text: str) -> Column:
        """The column, or the expression over columns, of this text; nothing but nulls where the batch has none."""
        held = self._held.get(text)
        if held is None:
            held = self._held[text] = self._expression(text, self._tree(text))
        return held

    def every(self) -> Iterator[Column]:
        """All columns of text, and the values of what did not fit in columns."""
        for field in self._batch.schema:
            if field.name == EXTRA and pa.types.is_map(field.type):
                yield self._extra()
            elif not field.name.startswith("_") and is_text(field.type):
                yield self._native(field.name)

    def whole(self) -> tuple[Texts, list[tuple[Column, int]]]:
        """The values of all columns, put one after another; and of each that has any, where they begin."""
        columns = [column for column in self.every() if len(column.texts.raw)]
        texts = [column.texts for column in columns]
        known, held = self._whole
        if len(known) != len(texts) or any(one is not other for one, other in zip(known, texts, strict=True)):
            held = Texts(pa.concat_arrays([one.raw for one in texts])) if texts else NOTHING
            self._whole = texts, held
        ends = np.cumsum([0, *(len(one.raw) for one in texts)]).tolist()
        return held, list(zip(columns, ends, strict=False))

    def native(self, text: str, rows: I64) -> tuple[list[str], list[str | None]]:
        """By row, the native column behind an expression and what stands there: the first that holds anything."""
        names = grammar.columns(self._tree(text))
        columns = [self._native(name) for name in names]
        if len(columns) == 1:
            return [columns[0].name] * len(rows), columns[0].at(rows)
        found: list[tuple[str, str | None]] = []
        for row in rows.tolist():
            held = next((column for column in columns if column.codes[row]), None)
            found.append(("", None) if held is None else (held.name, held.value(row)))
        return [name for name, _ in found], [value for _, value in found]

    def _tree(self, text: str) -> grammar.Expression:
        tree = self._trees.get(text)
        if tree is None:
            tree = self._trees[text] = grammar.parse(text, "a rule's field")
        return tree

    def _expression(self, text: str, tree: grammar.Expression) -> Column:
        if isinstance(tree, grammar.Column):
            return self._native(tree.name)
        names = tuple(dict.fromkeys(grammar.columns(tree)))
        if len(names) == 1 and isinstance(tree, grammar.Call) and tree.function != "first":
            derived = self._derived.get(text)
            if derived is None:
                derived = self._derived[text] = Derived(text, expression.of_one(tree))
            return derived.read(self._native(names[0]))
        return self._combined(text, tree, names)

    def _combined(self, text: str, tree: grammar.Expression, names: tuple[str, ...]) -> Column:
        """An expression over several columns: worked out once for each combination of their values."""
        columns = [self._native(name) for name in names]
        code = np.zeros(self.rows, np.int64)
        for column in columns:
            _, code = np.unique(code, return_inverse=True)
            code = code * (len(column.texts.raw) + 1) + column.codes
        _, first, back = np.unique(code, return_index=True, return_inverse=True)
        held = [column.at(first) for column in columns]
        values = [expression.of_many(tree, dict(zip(names, row, strict=True))) for row in zip(*held, strict=True)]
        if not columns:
            values = [expression.of_many(tree, {})] * len(first)
        indices = pa.array(back.astype(np.int32))
        return self._reader(f"\0{text}", text).read(
            pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))
        )

    def _native(self, name: str) -> Column:
        held = self._held.get(f"\0{name}")
        if held is not None:
            return held
        actual = name if name in self._places else self._names.get(name.lower())
        if actual is not None and actual != name:
            found = self._native(actual)
        elif actual is not None:
            found = self._reader(actual, actual).read(self._batch.column(self._places[actual]))
        elif EXTRA in self._places:
            found = self._reader(name, name).read(pc.map_lookup(self._batch.column(EXTRA), name, "first"))
        else:
            found = Column(name, NOTHING, np.zeros(self.rows, np.int32))
        self._held[f"\0{name}"] = found
        return found

    def _extra(self) -> Column:
        held = self._held.get(f"\0\0{EXTRA}")
        if held is None:
            column = self._batch.column(EXTRA)
            offsets = column.offsets.to_numpy()
            entries = column.items.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
            found = self._reader(f"\0\0{EXTRA}", EXTRA).read(entries)
            rows = np.repeat(np.arange(len(column)), np.diff(offsets))
            held = self._held[f"\0\0{EXTRA}"] = Column(EXTRA, found.texts, found.codes, rows=rows)
        return held

    def _reader(self, key: str, name: str) -> Reader:
        found = self._readers.get(key)
        if found is None:
            found = self._readers[key] = Reader(name)
        return found
