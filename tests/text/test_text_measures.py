"""Measures of texts: what each reacts to, how rare a step is, and counts that merge."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.text.measures import MEASURES, MOST, Reached, counted, read, steps, table_of

PLAIN = '"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe" --type=renderer --lang=en-US --client-id=7'
MARKED = 'c^m^d /v:on /c "s^e^t x=p^ow^er&&s^e^t y=s^h^ell&&c^a^l^l %x%%y% ^-n^o^p ^-c ""i^e^x(^$^e^n^v:a)"""'
CASED = "pOwErShElL -NoPrOfIlE -wInDoWsTyLe HiDdEn -CoMmAnD GeT-pRoCeSs"
LISTED = "powershell -c \"[string]::join('',(105,101,120,32,40,105,119,114,32,104,116,116,112,41)|%{[char]$_})\""
LONG = "tool.exe -data " + "QzX9" * 60


def of(text: str) -> dict[str, int]:
    found, _ = steps(pa.array([text], pa.string()))
    return {name: int(values[0]) for name, values in found.items()}


@pytest.mark.parametrize(
    ("text", "measure"), [(MARKED, "marks"), (CASED, "cases"), (LISTED, "numbers"), (LONG, "unbroken")]
)
def test_each_measure_sees_its_own(text: str, measure: str) -> None:
    assert of(text)[measure] > of(PLAIN)[measure]
    assert of(PLAIN)["unbroken"] == of(PLAIN)["encoded"] == of(PLAIN)["cases"] == 0


def test_an_encoded_text_is_measured_by_what_it_says() -> None:
    found, inner = steps(pa.array([PLAIN, "powershell -enc RwBlAHQALQBQAHIAbwBjAGUAcwBzACAAbABzAGEAcwBzAA=="]))
    assert found["encoded"].tolist()[0] == 0
    assert found["encoded"].tolist()[1] >= 3
    assert inner[0] is None
    assert inner[1] is not None
    assert inner[1].text == "Get-Process lsass"


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(sorted(MEASURES)), st.sampled_from(["a.exe", "b.exe"]), st.integers(0, MOST)),
    st.integers(1, 50),
    max_size=20,
)


@given(COUNTS)
def test_higher_steps_are_never_likelier_and_the_lowest_is_certain(counts) -> None:
    reached = Reached.of(counts)
    for measure in MEASURES:
        for program in ("a.exe", "b.exe", "never seen"):
            p = [reached.p(measure, program, step) for step in range(MOST + 1)]
            assert p[0] == pytest.approx(1)
            assert all(one >= other > 0 for one, other in pairwise(p))
    assert read(table_of(counts)) == counts


def test_texts_counted_apart_are_texts_counted_together() -> None:
    texts = [PLAIN, MARKED, CASED, LISTED]
    found, _ = steps(pa.array(texts))
    whole: dict[tuple[str, str, int], int] = {}
    counted(whole, found, ["x.exe"] * 4, [1, 2, 3, 4])
    parts: dict[tuple[str, str, int], int] = {}
    for place, text in enumerate(texts):
        counted(parts, steps(pa.array([text]))[0], ["x.exe"], [place + 1])
    assert whole == parts


def test_what_is_usual_for_a_program_is_not_held_against_it() -> None:
    counts: dict[tuple[str, str, int], int] = {}
    found, _ = steps(pa.array([MARKED, PLAIN]))
    counted(counts, found, ["build.exe", "chrome.exe"], [400, 400])
    asked, _ = steps(pa.array([MARKED, MARKED]))
    bits, which = Reached.of(counts).bits(asked, ["build.exe", "chrome.exe"])
    assert bits[0] == 0
    assert bits[1] > 3
    assert which[1] == "marks"


def test_nothing_seen_and_nothing_asked() -> None:
    reached = Reached.of({})
    bits, which = reached.bits(steps(pa.array([PLAIN]))[0], ["x"])
    assert bits.tolist() == [0.0]
    assert len(which) == 1
    assert len(reached.bits(steps(pa.array([], pa.string()))[0], [])[0]) == 0


def test_hostile_texts_cost_little() -> None:
    texts = pa.array(["A" * 1_000_000, "aB" * 500_000, "^" * 1_000_000, "1," * 500_000, "\u202e" * 300_000, ""])
    begin = time.process_time()
    found, _ = steps(texts)
    assert time.process_time() - begin < 3
    assert all(values.max() <= MOST and values.dtype == np.int64 for values in found.values())
