"""Records that no exporter writes: each is stored or counted as rejected, and every command still answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attack.attack_tools import event, lines, rejected, rows, run, stored, take

NAMES = ["", " ", "a b", '"', "`", "a.b", "😀", "n\0l", "IMAGE", "image", "_id", "_time", "_day", "_extra", "_host",
         "_origin", "_table", "select", '"; drop table x', "__tie", "f:x", "%s", "{x}", "a\nb", "*", "rowid",
         "Image_2", "k" * 1_000_000]  # fmt: skip
NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "9" * 40, "1e-400", "-0", "9007199254740993", "[1e999]", '{"x":NaN}']
HOSTS = ["../../etc", "a/b\\c", "x" * 10_000, "", None, "CON", "a\0b", 5, ["a"], {"h": 1}, "..", " ", "\u202ea", "İ"]
CHANNELS = ["../../x", "CON", "", "..", "/", "x" * 10_000, None, 5, ["a"], {"c": 2}, "日本語", "a\0b", "SECURITY", "😀"]
EVENT_IDS = [[1, 2], "x" * 10_000, None, {"a": 1}, 1e308, True, -1, 10**30, "", "1; drop", "a/b", "[/b]/x:y"]
TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59+23:59", "", None, 5, [], "soon",
         "2026-13-45", "2262-04-12T00:00:00Z", "1677-09-20T00:00:00Z", "2026-W01-1"]  # fmt: skip
TEXTS = [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"a\0b", b"\\ud800", b"\\u0000", b"\\udc00\\ud800", b"\xf4\x90\x80\x80"]


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def raw(value: str | bytes) -> bytes:
    text = value.encode() if isinstance(value, str) else value
    return json.dumps(event(1)).encode().replace(b'"whoami /all"', text) + b"\n"


CASES: dict[str, bytes] = {
    "names": b"".join(json.dumps(event(i, **dict.fromkeys(NAMES, "v"))).encode() + b"\n" for i in range(5)),
    "numbers": b"".join(map(raw, NUMBERS)),
    "texts": b"".join(raw(b'"' + text + b'"') for text in TEXTS),
    **{
        name: b"".join(json.dumps(event(i, **{field: v})).encode() + b"\n" for i, v in enumerate(found))
        for name, field, found in (
            ("hosts", "Hostname", HOSTS),
            ("channels", "Channel", CHANNELS),
            ("ids", "EventID", EVENT_IDS),
            ("times", "TimeCreated", TIMES),
        )
    },
}


@pytest.mark.parametrize("name", CASES)
def test_every_record_is_stored_and_every_command_answers(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.json").write_bytes(CASES[name])
    report = take(tmp_path / "lake", tmp_path / "a.json")
    assert (stored(report), rejected(report)) == (CASES[name].count(b"\n"), 0)
    assert stored(take(tmp_path / "lake", tmp_path / "a.json")) == 0
    for command in (["hunt"], ["hunt", "--format", "jsonl"], ["coverage"], ["events", "process"],
                    ["stack", "process", "process.name"]):  # fmt: skip
        assert run(*command, "--lake", tmp_path / "lake").code == 0


@pytest.mark.parametrize("shape", ["flat", "beat", "event"])
def test_deep_nesting_costs_no_other_record(tmp_path: Path, shape: str) -> None:
    around = {
        "flat": '{{"EventID":1,"Channel":"Security","x":{}}}',
        "beat": '{{"winlog":{{"event_id":1,"channel":"Security","event_data":{}}}}}',
        "event": '{{"Event":{{"System":{{"EventID":1,"Channel":"Security"}},"EventData":{}}}}}',
    }[shape]
    depths = (1, 100, 500, 900, 990, 1000, 5000, 100_000, 2)
    (tmp_path / "a.json").write_text("".join(around.format(nested(depth)) + "\n" for depth in depths))
    report = take(tmp_path / "lake", tmp_path / "a.json")
    assert not any(reading.damaged for reading in report.readings)
    assert (stored(report), rejected(report)) == (7, 2)


def test_many_keys_stay_within_a_thousand_columns(tmp_path: Path) -> None:
    found = (event(i, **{f"k{i * 50 + j}": str(j) for j in range(50)}) for i in range(400))
    take(tmp_path / "lake", lines(tmp_path / "a.json", found))
    held = rows(tmp_path / "lake", "windows_sysmon")
    assert len({name for row in held for name in row}) <= 1000
    kept = sum(
        sum(n.startswith("k") and v is not None for n, v in row.items()) + len(row["_extra"] or ()) for row in held
    )
    assert kept == 400 * 50


ZEEK = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        (
            "#path\tconn\n#fields\t"
            + "\t".join(f"f{i}" for i in range(10_000))
            + "\n"
            + "\t".join("1" * 10_000)
            + "\n",
            1,
            0,
        ),
        ("#path\tconn\n#fields\tts\tuid\tuid\tts\tTS\n1.0\ta\tb\tc\td\n", 1, 0),
        ("#path\tconn\n1.0\ta\tb\n", 0, 1),
        ("#path\t../../evil\n#fields\tts\tuid\n1.0\ta\n", 1, 0),
        ("#path\t\x1b[2J" + "x" * 5000 + '\n#fields\tts\t\t"; drop\t\x1b[2J\n1.0\ta\tb\tc\n', 1, 0),
        ("#path\tconn\n#fields\tts\tuid\nnan\t1\ninf\t2\n1e999\t3\n-1e18\t4\n99999999999999\t5\n8e12\t6\n", 6, 0),
        ("#path\tconn\n#fields\tts\tuid\n1.0\n1.0\ta\tb\n", 0, 2),
    ],
    ids=["wide", "twice", "headless", "path", "names", "times", "ragged"],
)
def test_zeek_headers_of_a_hostile_hand(tmp_path: Path, text: str, good: int, bad: int) -> None:
    (tmp_path / "conn.log").write_text(ZEEK + text)
    report = take(tmp_path / "lake", tmp_path / "conn.log")
    assert (stored(report), rejected(report)) == (good, bad)
    assert run("hunt", "--lake", tmp_path / "lake").code == 0
    assert run("coverage", "--lake", tmp_path / "lake").code == 0


def total(report: Any) -> tuple[int, int]:
    return sum(r.records for r in report.readings), stored(report)


@pytest.mark.real_data
@pytest.mark.slow
def test_real_logs_reconcile_and_come_once(real_data: Path, tmp_path: Path) -> None:
    for name in ("evtx", "zeek"):
        first = take(tmp_path / name, real_data / name)
        again = take(tmp_path / name, real_data / name)
        assert stored(again) == 0
        assert total(first)[0] == total(again)[0] > 1000
