"""Indicators out of reports, beside the structured files of the same reports.

    python -m benchmarks extraction [--all]      --all: every miss and every hit that the file does not have

Three comparisons, each on domains, addresses, hashes and URLs:

file        ESET's and Citizen Lab's reports (AsciiDoc, Markdown, plain lists) against their structured files (MISP,
            CSV, lists of hashes). A file may hold what its report does not say, and lack what it says. So recall is
            over the file's values that stand in the report's text, which is looked up without our extraction; and a
            hit that the file lacks is right only where the report itself lists it: alone in a line, a cell, a list
            item or in backticks. Those are printed as 'in the report, not in the file', each with its sentence.
lists       every value that a report lists so, read by a few lines of code here that share nothing with ours, against
            what we extract: all reports, also those that have no structured file of network indicators
prose       Citizen Lab's structured values written into sentences, tables and lists, defused in eight ways, as
            Markdown and as HTML, among file names, versions, code and detection names that are none
"""

from __future__ import annotations

import csv
import html
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from benchmarks.common import Row, data
from vizsla.feeds.report import FORMAT
from vizsla.intel.normal import normal
from vizsla.intel.suffix import known_tld
from vizsla.nouns.indicator import Claim

KINDS = ("domains", "addresses", "hashes", "URLs")
OF = {
    "domain": "domains", "hostname": "domains", "ip-dst": "addresses", "ip-src": "addresses", "ipv4": "addresses",
    "ipv6": "addresses", "cidr": "addresses", "url": "URLs", "uri": "", "md5": "hashes", "sha1": "hashes",
    "sha224": "hashes", "sha256": "hashes", "sha384": "hashes", "sha512": "hashes",
    "certificate_fingerprint": "hashes",
}  # fmt: skip
ASKED = 0.98
PUBLISHERS = ("welivesecurity.com", "esetstatic.com", "virusradar.com", "citizenlab.ca", "citizenlab.org", "github.com")
"""Whose links in these reports lead to reading; where they are defused, they are meant."""
Values = dict[str, set[str]]  # kind -> values in their simplest form


@dataclass
class Figures:
    """Counts of one kind."""

    right: int = 0
    false: int = 0
    met: int = 0
    missed: int = 0
    unlisted: list[str] = field(default_factory=list)  # in the report, not in the file
    shown: list[str] = field(default_factory=list)  # misses and false hits

    def precision(self) -> float:
        return self.right / max(1, self.right + self.false)

    def recall(self) -> float:
        return self.met / max(1, self.met + self.missed)


def simple(kind: str, text: str) -> str:
    """A value so that spelling does not matter: no scheme, no trailing slash, lower case but for a URL's path."""
    text = text.strip().strip("\"'`")
    if kind != "URLs":
        return text.lower().removeprefix("*.").rstrip(".")
    rest = re.sub(r"^[a-z*]{1,8}://", "", text, flags=re.IGNORECASE).partition("#")[0]
    host, slash, path = rest.partition("/")
    return (host.lower().removesuffix(":80").removesuffix(":443") + slash + path).rstrip("/?")


def put(values: Values, type: str, text: str) -> None:
    """A value of a structured file. One that is composed ('domain|ip') is its parts."""
    if "|" in type and "|" in text:
        for one_type, one in zip(type.split("|"), text.split("|"), strict=False):
            put(values, one_type, one)
        return
    kind = OF.get(type.strip().lower(), "")
    if not kind or not text.strip():
        return
    value = simple(kind, text)
    if kind == "URLs" and "/" not in value:  # a host alone
        kind = "addresses" if is_address(value.partition(":")[0]) else "domains"
        value = value.partition(":")[0]
    elif kind == "addresses":
        value = value.partition(":")[0] if value.count(":") == 1 else value
    values[kind].add(value)


def is_address(text: str) -> bool:
    try:
        ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return True


def attributes(node: object) -> Iterator[tuple[str, str]]:
    """Types and values of a MISP event, wherever they stand."""
    if isinstance(node, dict):
        if isinstance(node.get("value"), str) and "category" in node:
            yield str(node["type"]), node["value"]
        for value in node.values():
            yield from attributes(value)
    elif isinstance(node, list):
        for value in node:
            yield from attributes(value)


def structured(folder: Path) -> Values:
    """What a folder's structured files hold."""
    values: Values = defaultdict(set)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("samples."):
            for line in path.read_text("utf-8").split():
                put(values, path.suffix[1:], line)
        elif path.suffix == ".json":
            content = json.loads(path.read_text("utf-8"))
            for type_, value in attributes(content):
                put(values, type_, value)
            for row in content if isinstance(content, list) else []:
                put(values, "domain", str(row))
        elif path.name in ("iocs.csv", "indicators.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                for line in csv.DictReader(file):
                    put(values, line.get("type") or "", line.get("value") or "")
    return values


def undefused(text: str) -> str:
    """A text without the usual defusing: for looking whether a value stands in it."""
    text = re.sub(r"[\[({](\.|dot|:|://|/)[\])}]", lambda m: "." if m[1] == "dot" else m[1], text)
    return re.sub(r"h(?:xx|XX)p", "http", text).replace("[.", ".")


def stands(kind: str, value: str, text: str) -> bool:
    """Whether it stands in the text as a value of its own, and not as a part of a longer one."""
    low = text if kind == "URLs" else text.lower()
    value = re.escape(value)
    if kind == "URLs":
        return re.search(rf"(?:{value})", low, re.IGNORECASE) is not None
    after = r"(?![\w@-]|\.\w)" if kind != "hashes" else r"(?![0-9a-z.])"
    # '/…': a host of a URL is not listed as a domain
    return re.search(rf"(?<![\w.@/-]){value}{after}(?!(?::\d+)?/[\w<])", low) is not None


_TOKEN = re.compile(r"`([^`]+)`")


def listed(text: str) -> Values:
    """Values that stand alone in a line, a cell, a list item or backticks."""
    found: Values = defaultdict(set)
    heading = ""
    for line in text.split("\n"):
        if re.match(r"[#=]+ ", line):
            heading = line.lower()
        if re.search(r"\b(?:targeted|targets|victims?)\b", heading):
            continue
        tokens = [line, *re.split(r"\||,", line), *_TOKEN.findall(line)]
        for raw in tokens:
            token = re.sub(r"^\s*(?:[*\-]+|\d+\.)\s+", "", raw).strip().strip("`+*|_ '\"").strip()
            one = undefused(token)
            if " " in one or not one:
                continue
            defused = one != token
            one = re.sub(r"^\w+://([^/]+)/?$", r"\1", one)
            host = re.sub(r"^\w+://", "", one).partition("/")[0].partition(":")[0].lower()
            if host.endswith(PUBLISHERS) and not defused:
                continue
            if re.fullmatch(r"[0-9a-fA-F]+", one) and len(one) in (32, 40, 64, 96, 128) and not one.isdigit():
                found["hashes"].add(one.lower())
            elif is_address(one) or re.fullmatch(r"[\d.]+:\d+", one):
                if ("." in one or one.count(":") > 2) and not ip_address(host if is_address(host) else one).is_private:
                    found["addresses"].add(one.lower() if one.count(":") != 1 else host)
            elif re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9_-]+)+", host) and (is_address(host) or known_tld(host)):
                suffix = host.rpartition(".")[2]
                if (
                    "://" not in one
                    and not defused
                    and (suffix in ("py", "sh", "md", "pl", "zip") or one.count("/") > 9)
                ):
                    continue
                put(
                    found, "url" if "/" in re.sub(r"^\w+://", "", one) else "domain", re.sub(r"<[A-Za-z_ ]+>", "*", one)
                )
                if is_address(host):
                    found["addresses"].add(host)
                    found["domains"].discard(host)
    found["domains"] = {d.partition(":")[0] for d in found["domains"]}
    return found


def extracted(path: Path) -> tuple[Values, dict[tuple[str, str], str]]:
    """What we find in a report and mean, and the sentences."""
    found: Values = defaultdict(set)
    sentences = {}
    for claim in FORMAT.read(path, "benchmark"):
        if isinstance(claim, Claim) and claim.to_ids and OF.get(claim.type):
            before = {kind: set(values) for kind, values in found.items()}
            put(found, claim.type, claim.value)
            for kind, values in found.items():
                for value in values - before.get(kind, set()):
                    sentences[kind, value] = claim.context
    return found, sentences


def implied(values: Values) -> Values:
    """Hosts of a set's URLs: an address in a URL is right as an address too."""
    hosts: Values = defaultdict(set)
    for url in values["URLs"]:
        host = url.partition("/")[0].partition(":")[0]
        hosts["addresses" if is_address(host) else "domains"].add(host)
    return hosts


def against_file(path: Path, known: Values, figures: dict[str, Figures], name: str) -> None:
    """A report against the structured file of its folder."""
    text = undefused(path.read_text("utf-8", "replace"))
    found, sentences = extracted(path)
    own, hosts = listed(path.read_text("utf-8", "replace")), implied(known)
    for kind in KINDS:
        if not known[kind]:
            continue
        one = figures[kind]
        for value in sorted(found[kind]):
            if value in known[kind] or value in hosts[kind]:
                one.right += 1
            elif value in own[kind] or value in implied(own)[kind]:
                one.right += 1
                one.unlisted.append(f"{name}: {value}    {sentences.get((kind, value), '')[:160]}")
            else:
                one.false += 1
                one.shown.append(f"false  {name}: {value}    {sentences.get((kind, value), '')[:160]}")
        for value in sorted(known[kind]):
            if stands(kind, value, text):
                met = value in found[kind]
                one.met, one.missed = one.met + met, one.missed + (not met)
                if not met:
                    one.shown.append(f"missed {name}: {value}")


def against_lists(path: Path, figures: dict[str, Figures], name: str, known: Values) -> None:
    """A report against what it lists itself."""
    found, sentences = extracted(path)
    own = listed(path.read_text("utf-8", "replace"))
    hosts = implied(own)
    for kind in KINDS:
        one = figures[kind]
        for value in sorted(found[kind]):
            if value in own[kind] or value in hosts[kind] or value in known[kind]:
                one.right += 1
            else:
                one.false += 1
                one.shown.append(f"false  {name}: {value}    {sentences.get((kind, value), '')[:160]}")
        for value in sorted(own[kind]):
            met = value in found[kind]
            one.met, one.missed = one.met + met, one.missed + (not met)
            if not met:
                one.shown.append(f"missed {name}: {value}")


DEFUSED = (
    lambda v: v.replace(".", "[.]"),
    lambda v: v.replace(".", "(.)"),
    lambda v: v.replace(".", "{.}"),
    lambda v: v.replace(".", "[dot]"),
    lambda v: re.sub("^http(?=s?://)", "hxxp", v).replace(".", "[.]"),
    lambda v: re.sub("^http(?=s?://)", "hXXp", v).replace("://", "[://]").replace(".", "[.]", 1),
    lambda v: v.replace(".", " [.] ", 1),
    lambda v: v.replace("://", "[:]//").replace(".", "[.]", 1),
)
SENTENCES = (
    "The implant then contacts {} over HTTPS, as described in our earlier report.",
    "Traffic to {}, first seen in May, was observed by two customers.",
    "We attribute {} to the same operators (high confidence).",
    'The configuration names "{}"; it is stored in config.json.',
    "Analysis of README.md, setup.py and loader.exe version 10.0.19041.1 led us to {}.",
    "It calls System.Net.Sockets and os.path.join before {} is resolved.",
    "Detected as Win32/Agent.QA and Trojan.Win64.Agent.my; it beacons to {} every 60 seconds.",
)


def prose(values: Values, markup: str) -> str:
    """Values in sentences, tables and lists."""
    lines = [
        "# Indicators",
        "",
        "The full analysis is available at https://www.example.com/blog/2020/a-report.html.",
        "",
    ]
    count = 0
    for kind in KINDS:
        for value in sorted(values[kind]):
            count += 1
            plain = value if kind != "URLs" else "http://" + value
            defuse = DEFUSED[count % len(DEFUSED)]
            text = plain if kind == "hashes" else defuse(plain)
            shape = count % 10
            if shape < 7:
                lines += [SENTENCES[shape].format(text), ""]
            elif shape == 7:
                lines += [f"* {text} (C2)", ""]
            else:
                lines += ["", "| Indicator | Comment |", "|---|---|", f"| `{text}` | v1.2.3 of foo.sh |", ""]
    if markup == "md":
        return "\n".join(lines)
    out = []
    for line in lines:
        if line.startswith("| `"):
            cells = [c.strip(" `") for c in line.strip("|").split("|")]
            out.append("<table><tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr></table>")
        elif not line.startswith("|"):
            out.append(f"<p>{html.escape(line)}</p>")
    return "<html><body><script>var c2='x.evil-script.com'</script>" + "\n".join(out) + "</body></html>"


def against_prose(folder: Path, known: Values, figures: dict[str, Figures]) -> None:
    """A structured file's values written as prose."""
    wanted: Values = defaultdict(set)
    for kind in KINDS:
        for value in known[kind]:
            try:  # what no reader could take for one is left out: 'focusedtior1@gmail', an address as a domain
                normal({"domains": "domain", "addresses": "ipv4", "URLs": "url", "hashes": ""}[kind] or "md5", value)
            except ValueError:
                if kind != "hashes":
                    continue
            if kind == "URLs" and not re.fullmatch(r"[\w.-]+(?::\d+)?/[\w./?=&%~+\-]*[\w/]", value):
                continue
            wanted[kind].add(value)
    for markup in ("md", "html"):
        with tempfile.TemporaryDirectory(prefix="vizsla-bench-") as scratch:
            path = Path(scratch) / f"report.{markup}"
            path.write_text(prose(wanted, markup), "utf-8")
            found, sentences = extracted(path)
        hosts = implied(wanted)
        for kind in KINDS:
            one = figures[kind]
            for value in sorted(found[kind]):
                right = value in wanted[kind] or value in hosts[kind]
                one.right, one.false = one.right + right, one.false + (not right)
                if not right:
                    one.shown.append(
                        f"false  {folder.name}.{markup}: {value}    {sentences.get((kind, value), '')[:160]}"
                    )
            for value in sorted(wanted[kind]):
                met = value in found[kind]
                one.met, one.missed = one.met + met, one.missed + (not met)
                if not met:
                    one.shown.append(f"missed {folder.name}.{markup}: {value}")


def texts(folder: Path) -> list[Path]:
    """A folder's unstructured files."""
    plain = ("assorted.csv", "md5-c2.csv", "hashes.csv", "domains.csv")
    return sorted(p for p in folder.iterdir() if p.suffix in (".adoc", ".md", ".txt") or p.name in plain)


def run(arguments: Sequence[str] = ()) -> list[Row]:
    everything = "--all" in arguments
    figures = {which: {kind: Figures() for kind in KINDS} for which in ("file", "lists", "prose")}
    for source in ("eset", "citizenlab"):
        for folder in sorted(p for p in data("intel", source).iterdir() if p.is_dir()):
            known = structured(folder)
            for path in texts(folder):
                against_file(path, known, figures["file"], f"{folder.name}/{path.name}")
                against_lists(path, figures["lists"], f"{folder.name}/{path.name}", known)
            if source == "citizenlab":
                against_prose(folder, known, figures["prose"])
    rows = []
    for which, by_kind in figures.items():
        for kind, one in by_kind.items():
            for line in one.shown if everything else one.shown[:20]:
                print(f"  {which}, {kind}: {line}")
            if one.unlisted:
                print(f"  {which}, {kind}: in the report, not in the file: {len(one.unlisted)}")
                for line in one.unlisted if everything else one.unlisted[:5]:
                    print(f"    {line}")
            precision, recall = one.precision(), one.recall()
            counts = f"{one.right + one.false} found, {one.met + one.missed} wanted"
            ours = f"precision {precision:.4f}, recall {recall:.4f}"
            held = precision >= ASKED and recall >= ASKED
            rows.append(Row("extraction", f"{which}: {kind}", ours, counts, "", f"{ASKED} each", held))
    return rows


if __name__ == "__main__":
    from benchmarks.common import exit_code, table

    done = run(sys.argv[1:])
    print(table(done))
    raise SystemExit(exit_code(done))
