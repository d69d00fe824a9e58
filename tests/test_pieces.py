from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from growing_samples import FORMATS, NOW, hush, log_of, read, sums
from lake_samples import rows
from vizsla import mappings, pieces
from vizsla.growing import whole_records
from vizsla.ingest import ingest
from vizsla.ingest import run as run_module
from vizsla.ingest.pool import Pool
from vizsla.lake import Lake
from vizsla.nouns import RunReport
from vizsla.source import Growth

Row = tuple[str, str, str, str]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 3000)
    monkeypatch.setattr(pieces, "WORTH", 10_000)


def stored(lake: Lake) -> list[Row]:
    """Table, id, place and time of all events."""
    found: list[Row] = []
    for table in lake.tables():
        some = rows(lake, table)
        columns = (some.column(name).to_pylist() for name in ("_id", "_origin", "_time"))
        found += [(table, i, o, str(t)) for i, o, t in zip(*columns, strict=True)]
    return sorted(found)


def told(report: RunReport) -> tuple[object, ...]:
    """What a report says of its logs and of what was refused."""
    logs = [(r.path, r.source, r.records, r.stored, r.known, r.rejected, r.damaged) for r in report.readings]
    return logs, report.rejections, report.examples, report.notes


def quoted(numbers: Sequence[int]) -> bytes:
    lines = ["timestamp,host,user,note"]
    for n in numbers:
        note = f'"line one, of {n}\nline ""two""\nand three"' if n % 3 else "plain"
        lines.append(f"2024-05-01T10:00:{n % 60:02d}Z,web{n % 4},u{n // 2},{note}")
    lines[9:9] = [lines[1]] * 400
    return ("\n".join(lines) + "\n").encode()


def syslog(numbers: Sequence[int]) -> bytes:
    lines = []
    for n in numbers:
        lines.append(f"May  1 10:{n // 60 % 60:02d}:{n % 60:02d} web1 app[{n}]: failed for user u{n}")
        lines += [f"    at frame {k} of {n}" for k in range(n % 3)]
        lines += [f"May  1 10:{n // 60 % 60:02d}:{n % 60:02d} web1 app[7]: again"] * (3 if n % 50 == 0 else 0)
    return ("\n".join(lines) + "\n").encode()


def audit(numbers: Sequence[int]) -> bytes:
    lines = []
    for n in numbers:
        stamp = f"msg=audit({1_700_000_000 + n}.123:{n})"
        lines.append(f'type=SYSCALL {stamp}: arch=c000003e syscall=59 success=yes exit=0 pid={n} exe="/bin/a"')
        lines.append(f'type=EXECVE {stamp}: argc=2 a0="a" a1="{n}"')
        lines.append(f"type=EOE {stamp}:")
    return ("\n".join(lines) + "\n").encode()


def access(numbers: Sequence[int]) -> bytes:
    lines = [
        f'10.0.0.{n % 9} - - [01/May/2024:10:00:{n % 60:02d} +0000] "GET /{n % 40} HTTP/1.1" 200 {n} "-" "a b"'
        for n in numbers
    ]
    lines[3:3] = ["torn", *[lines[0]] * 200]
    return ("\n".join(lines) + "\n").encode()


def eve(numbers: Sequence[int]) -> bytes:
    lines = [
        f'{{"timestamp":"2024-05-01T10:00:{n % 60:02d}.000000+0000","flow_id":{n},"event_type":"dns",'
        f'"src_ip":"10.0.0.1","dest_ip":"10.0.0.2","proto":"UDP","dns":{{"type":"query","rrname":"a{n}.example"}}}}'
        for n in numbers
    ]
    lines[5:5] = ["{torn", *[lines[2]] * 300]
    return ("\n".join(lines) + "\n").encode()


def content_of(kind: str) -> bytes:
    made = {"quoted": quoted, "syslog": syslog, "audit": audit, "access": access, "eve": eve}
    return made[kind](range(500)) if kind in made else log_of(kind, range(600))


@pytest.mark.parametrize(
    "kind", [*(kind for kind in FORMATS if kind != "keyvalue"), "quoted", "syslog", "audit", "access", "eve"]
)
@pytest.mark.parametrize("growing", [True, False])
def test_pieces_give_what_the_whole_gives(tmp_path: Path, kind: str, growing: bool) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(content_of(kind))
    hush(log)
    asked = None
    if kind == "quoted":
        asked = str(tmp_path / "quoted.yaml")
        Path(asked).write_text(MAPPING)
    one, other = (Lake.open(tmp_path / name, create=True) for name in ("one", "other"))
    plan = pieces.plan(str(log), asked and mappings.given(asked, one), grows=growing)
    assert plan is not None
    assert len(list(plan.pieces())) >= 5
    whole = read(one, log, growing=growing, source=asked)
    cut = read(other, log, growing=growing, source=asked, workers=2)
    assert stored(other) == stored(one)
    assert told(cut) == told(whole)
    assert cut.readings[0].stored > 100
    if kind not in ("audit", "syslog", "quoted"):
        assert cut.readings[0].rejected >= 1


MAPPING = """
reader: csv
doc: notes
table: notes
time: timestamp
host: host
"""


def test_a_log_read_in_pieces_is_known_and_read_on(tmp_path: Path) -> None:
    log = tmp_path / "conn.log"
    log.write_bytes(log_of("zeek_tsv", range(600)))
    hush(log)
    lake = Lake.open(tmp_path / "lake", create=True)
    first = read(lake, log, workers=2)
    again = read(lake, log, workers=2)
    assert sums(again)[0] == 0
    assert any("not read again" in note for note in again.notes)
    copy = tmp_path / "copy.log"
    copy.write_bytes(log.read_bytes())
    assert any("not read again" in note for note in read(lake, copy, workers=2).notes)
    with log.open("ab") as file:
        file.write(b"1600009999.5\tCnew\t10.0.0.1\t1\t192.0.2.1\t443\ttcp\n" * 2)
    hush(log)
    grown = read(lake, log, workers=2)
    assert sums(grown)[0] == 2
    assert grown.readings[0].records == first.readings[0].records + 2


def test_a_file_cut_short_while_it_is_read_is_read_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(eve(range(500)))
    hush(log)
    found = pieces.Plan.pieces

    def shrinking(plan: pieces.Plan) -> object:
        for piece in found(plan):
            yield piece
            if piece.number == 4:
                log.write_bytes(eve(range(40)))
                hush(log)

    monkeypatch.setattr(pieces.Plan, "pieces", shrinking)
    lake = Lake.open(tmp_path / "lake", create=True)
    report = ingest([log], lake, workers=2, now=NOW)
    assert not report.readings[0].damaged
    assert report.readings[0].records == 341
    fresh = Lake.open(tmp_path / "fresh", create=True)
    read(fresh, log)
    assert set(stored(fresh)) <= set(stored(lake))


def test_a_piece_whose_reader_died_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "Pool", lambda workers: Pool(workers, module="ingest_worker_fake"))
    log = tmp_path / "0-stumble.log"
    log.write_bytes(log_of("zeek_tsv", range(600)))
    plan = pieces.plan(str(log), None, grows=False)
    assert plan is not None
    count = len(list(plan.pieces()))
    report = read(Lake.open(tmp_path / "lake", create=True), log, workers=2, growing=False)
    assert Path(f"{log}.died").exists()
    assert sums(report) == (count * 10, 0, 0)


def test_where_its_reader_dies_twice_the_whole_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "Pool", lambda workers: Pool(workers, module="ingest_worker_fake"))
    log = tmp_path / "0-crash.log"
    log.write_bytes(log_of("zeek_tsv", range(600)))
    report = ingest([log], Lake.open(tmp_path / "lake", create=True), workers=2, growing=False, now=NOW)
    assert "died twice" in report.readings[0].damaged


def test_an_event_log_in_slices(tmp_path: Path, real_data: Path) -> None:
    sample = next((real_data / "evtx").rglob("PanacheSysmon_vs_AtomicRedTeam01.evtx"))  # 15 chunks, and blank ones
    pieces.PIECE = 3 * 65_536
    one, other = (Lake.open(tmp_path / name, create=True) for name in ("one", "other"))
    plan = pieces.plan(str(sample), None, grows=True)
    assert plan is not None
    assert len(list(plan.pieces())) >= 5
    whole, cut = read(one, sample), read(other, sample, workers=2)
    assert stored(other) == stored(one)
    assert told(cut) == told(whole)
    assert any("not read again" in note for note in read(other, sample, workers=2).notes)


def test_a_damaged_event_log_is_read_in_one_go(tmp_path: Path, real_data: Path) -> None:
    sample = next((real_data / "evtx").rglob("PanacheSysmon_vs_AtomicRedTeam01.evtx"))  # 15 chunks, and blank ones
    content = bytearray(sample.read_bytes())
    at = 4096 + 7 * 65_536 + 9000
    content[at : at + 4000] = b"\xaa" * 4000
    damaged = tmp_path / "damaged.evtx"
    damaged.write_bytes(content)
    pieces.PIECE = 3 * 65_536
    one, other = (Lake.open(tmp_path / name, create=True) for name in ("one", "other"))
    whole, cut = read(one, damaged), read(other, damaged, workers=2)
    assert whole.readings[0].rejected
    assert stored(other) == stored(one)
    assert told(cut)[1:] == told(whole)[1:]
    assert cut.readings[0].records == whole.readings[0].records


@pytest.mark.parametrize("block", [7, 64, 4096])
def test_line_feeds_outside_of_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("vizsla.growing.BLOCK", block)
    content = quoted(range(30)) + b'x,"open\nand\n'
    path = tmp_path / "log"
    path.write_bytes(content)
    for limit in range(0, len(content), 5):
        outside, inside = 0, False
        for at, byte in enumerate(content[:limit]):
            inside ^= byte == 34
            if byte == 10 and not inside:
                outside = at + 1
        with path.open("rb") as stream:
            assert whole_records(stream, 0, limit, Growth(quoted=True)) == outside
