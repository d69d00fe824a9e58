"""How fast lines get into the lake: Zeek TSV, an access log, syslog and CSV, each beside DuckDB on the same bytes.

    python benchmarks/lines.py [--records N] [--repeat R] [--only NAME]… [--file NAME=PATH]…

Logs of N and of 2N records are made up, the same on every run; `--file` takes a log instead, of which half the lines
and all of them are read. Rates are slopes between the two, whole processes, so that start-up does not count. Reference:
DuckDB's `COPY (FROM read_csv(…, all_varchar=true)) TO` Parquet. The runs of both stand in turn, and of each the fastest
of R counts: what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest import INGEST, Slope, Took, halves_of_lines, process

GOAL = 0.5
BEGIN = 1_700_000_000  # seconds since 1970
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.4.0",
    "-",
)
COPY = """
import sys
import duckdb
duckdb.sql("SET enable_progress_bar = false")
source, target = sys.argv[2], sys.argv[1] + ".parquet"
duckdb.sql("COPY (FROM read_csv('" + source + "', " + HOW + ")) TO '" + target + "'")
print(duckdb.sql("SELECT count(*) FROM '" + target + "'").fetchall()[0][0])
"""


def address(dice: random.Random) -> str:
    return f"10.{dice.randrange(4)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"


def zeek(file: IO[str], dice: random.Random, records: int) -> None:
    """Connections, as Zeek writes them."""
    names = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration",
             "orig_bytes", "resp_bytes", "conn_state", "history", "orig_pkts", "resp_pkts"]  # fmt: skip
    file.write("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n")
    file.write("#fields\t" + "\t".join(names) + "\n")
    for n in range(records):
        ends = (address(dice), str(dice.randrange(1024, 65536)), address(dice), dice.choice(("53", "80", "443", "445")))
        duration, sent, received = f"{dice.random():.6f}", str(dice.randrange(5000)), str(dice.randrange(90_000))
        row = (f"{BEGIN + n * 0.01:.6f}", f"C{dice.randrange(1 << 60):x}", *ends, dice.choice(("tcp", "udp")),
               dice.choice(("dns", "ssl", "http", "-")), duration, sent, received, dice.choice(("SF", "S0", "REJ")),
               dice.choice(("ShADadFf", "Dd", "S")), str(dice.randrange(40)), str(dice.randrange(60)))  # fmt: skip
        file.write("\t".join(row) + "\n")


def access(file: IO[str], dice: random.Random, records: int) -> None:
    """Requests in the combined log format."""
    for n in range(records):
        moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(BEGIN + n * 0.1))
        path = dice.choice(("/", "/index.html", "/login.php", "/api/v1/items?id={}", "/img/{}.png", "/s?q=a%20b&n={}"))
        request = f"{dice.choice(('GET', 'GET', 'POST'))} {path.format(dice.randrange(10_000))} HTTP/1.1"
        user, referer = dice.choice("-" * 9 + "a"), dice.choice(("-", "https://www.example.com/a/b"))
        file.write(
            f'{address(dice)} - {user} [{moment}] "{request}" {dice.choice((200, 200, 304, 404))} '
            f'{dice.randrange(100_000)} "{referer}" "{dice.choice(AGENTS)}"\n'
        )


def syslog(file: IO[str], dice: random.Random, records: int) -> None:
    """What a server's daemons say, with headers as RFC 3164 has them."""
    for n in range(records):
        said = dice.choice(("sshd[{p}]: Failed password for root from {a} port {p} ssh2",
                            "systemd[1]: Started session {p}.", "CRON[{p}]: (root) CMD (/usr/bin/backup --level {p})",
                            "kernel: [{p}.123] eth0: link up"))  # fmt: skip
        moment = time.strftime("%b %e %H:%M:%S", time.gmtime(BEGIN + n * 0.1))
        file.write(f"{moment} web{dice.randrange(20)} {said.format(p=dice.randrange(65536), a=address(dice))}\n")


def table(file: IO[str], dice: random.Random, records: int) -> None:
    """Flows of a cloud network, blanks between the columns, with a header."""
    names = ["version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
             "bytes", "start", "end", "action", "log-status"]  # fmt: skip
    file.write(" ".join(names) + "\n")
    for n in range(records):
        row = ("2", "123456789012", f"eni-{dice.randrange(50):08x}", address(dice), address(dice),
               str(dice.randrange(65536)), dice.choice(("22", "80", "443")), dice.choice(("6", "17")),
               str(dice.randrange(100)), str(dice.randrange(100_000)), str(BEGIN + n // 10), str(BEGIN + n // 10 + 60),
               dice.choice(("ACCEPT", "REJECT")), "OK")  # fmt: skip
        file.write(" ".join(row) + "\n")


def columns(count: int) -> str:
    """The options of `read_csv` that take so many columns of text, guessing nothing."""
    names = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(count))
    return f"all_varchar=true, auto_detect=false, header=false, strict_mode=false, columns={{{names}}}"


PLAIN = "quote='', escape=''"
CASES: dict[str, tuple[Callable[[IO[str], random.Random, int], None], str, str]] = {
    "Zeek TSV": (zeek, "conn.log", f"{columns(15)}, delim='\\t', skip=6, {PLAIN}"),
    "access log": (access, "access.log", f"{columns(10)}, delim=' ', quote='\"', escape='\"'"),
    "syslog": (syslog, "messages", f"{columns(20)}, delim=' ', null_padding=true, {PLAIN}"),
    "CSV": (table, "flows.csv", f"all_varchar=true, header=true, delim=' ', {PLAIN}"),
}


def made(name: str, folder: Path, records: int) -> list[Path]:
    """The case's logs of so many and of twice as many records; the first is the beginning of the second."""
    write, file, _ = CASES[name]
    parts = []
    for count in (records, 2 * records):
        path = folder / str(count) / file
        path.parent.mkdir()
        with path.open("w", encoding="utf-8") as log:
            write(log, random.Random(7), count)
        os.utime(path, (BEGIN + 40_000_000, BEGIN + 40_000_000))  # by which years that a log lacks are told
        parts.append(path)
    return parts


def slopes(scripts: Sequence[str], scratch: Path, logs: Sequence[Path], repeat: int) -> Iterator[Slope]:
    """What lies between the two logs, for each script; their runs in turn, the fastest of each counts."""
    runs: dict[tuple[int, int], list[Took]] = {}
    for _ in range(repeat):
        for number, script in enumerate(scripts):
            for which, log in enumerate(logs):
                runs.setdefault((number, which), []).append(process(script, scratch, log))
    for number in range(len(scripts)):
        few, many = min(runs[number, 0]), min(runs[number, 1])
        cpu = min(r.cpu for r in runs[number, 1]) - min(r.cpu for r in runs[number, 0])
        records = many.records - few.records
        rate = records / (many.seconds - few.seconds)
        yield Slope(rate, cpu / records * 1e6, max(0.0, few.seconds - few.records / rate))


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="N: of the smaller log")
    parser.add_argument("--repeat", type=int, default=2, help="take the best of so many runs")
    parser.add_argument("--only", action="append", choices=list(CASES), help="this case alone; can be repeated")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=PATH", help="a log for a case")
    chosen = parser.parse_args(argv)
    files = dict(one.split("=", 1) for one in chosen.file)
    missed = 0
    print(f"{'input':<12}{'':<13}{'records/s':>12}{'CPU µs/record':>15}{'start-up':>10}{'ratio':>8}{'goal':>7}")
    for name in chosen.only or CASES:
        with tempfile.TemporaryDirectory(prefix="vizsla-bench-") as folder:
            scratch = Path(folder)
            if name in files:
                half, whole = halves_of_lines(Path(files[name]), scratch, None)
                logs = [*half, *whole]
            else:
                logs = made(name, scratch, chosen.records)
            theirs, ours = slopes((f"HOW = {CASES[name][2]!r}\n{COPY}", INGEST), scratch, logs, chosen.repeat)
        ratio = ours.rate / theirs.rate
        missed += ratio < GOAL
        for title, found, end in (("DuckDB COPY", theirs, ""), ("Vizsla", ours, f"{ratio:>8.3f}{GOAL:>7.3f}")):
            print(f"{name:<12}{title:<13}{found.rate:>12,.0f}{found.cpu:>15.2f}{found.start:>9.2f}s{end}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
