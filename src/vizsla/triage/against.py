"""What speaks for a benign reading of a finding. Every finding has at least one such line; none says what the
data do not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, timedelta

from vizsla.nouns import Finding
from vizsla.safe import shortened, visible
from vizsla.triage.assets import Assets
from vizsla.triage.native import Fields, base, hosts_of, is_machine, lead_fields, strongest, users_of
from vizsla.triage.titles import counted, field_words

MOST = 5  # lines; the most telling come first
COMMON = 2.0  # bits of surprisal below which a value is called usual
LITTLE = timedelta(hours=24)  # of a host's own past, below which little was learnt of it
FEW_HOST_DAYS = 15
SYSTEM_FOLDERS = ("c:\\windows\\system32\\", "c:\\windows\\syswow64\\", "c:\\windows\\winsxs\\")
MICROSOFT = frozenset({"microsoft windows", "microsoft corporation", "microsoft windows publisher"})
INSTALLERS = frozenset({
    "tiworker.exe", "trustedinstaller.exe", "msiexec.exe", "wusa.exe", "mousocoreworker.exe", "usoclient.exe",
    "microsoftedgeupdate.exe", "googleupdate.exe", "onedrivesetup.exe", "setup.exe", "mpsigstub.exe", "poqexec.exe",
    "waasmedicagent.exe", "dismhost.exe", "updateassistant.exe", "ccmexec.exe", "mrt.exe",
})  # fmt: skip
BOOT_KINDS = frozenset({"windows_system:12", "windows_system:6005", "windows_system:6009", "windows_security:4608"})
PARENTS = ("parentimage", "parentprocessname", "parentcommandline")
LOCAL = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

Learnt = Mapping[str, timedelta]


def speaks_against(finding: Finding, assets: Assets | None = None, learnt: Learnt | None = None) -> tuple[str, ...]:
    """At least one line, at most five. `learnt`: how long a past of each host (lower case) the baseline holds."""
    lines = list(dict.fromkeys(line for rule in RULES for line in rule(finding)))
    lines += _known(finding, assets)
    lines += _little(finding, learnt or {})
    return tuple(lines[:MOST]) or (_last_resort(finding),)


def _known(finding: Finding, assets: Assets | None) -> list[str]:
    """What the team itself says of the host or the user."""
    lines = []
    for user in users_of(finding) if assets else ():
        asset = assets.user(user) if assets else None
        if asset and (asset.role or asset.groups):
            what = asset.role or ", ".join(asset.groups)
            lines.append(f"The team lists {_show(user)} as {_show(what)}: such work may be theirs.")
    for host in hosts_of(finding) if assets else ():
        asset = assets.host(host) if assets else None
        if asset and asset.criticality == "low":
            role = f" ({_show(asset.role)})" if asset.role else ""
            lines.append(f"The team rates {_show(host)} low{role}.")
    return lines[:2]


def _little(finding: Finding, learnt: Learnt) -> Iterator[str]:
    for host in hosts_of(finding):
        past = learnt.get(host)
        if past is not None and not past:
            yield f"{_show(host)} was not among the hosts learnt: what it always does is new here."
        elif past is not None and past < LITTLE:
            yield f"Only {_span(past)} of {_show(host)} were learnt: much of what it always does is new here."
    run = finding.run
    if not run.claims:
        yield f"No baseline of other days stands behind this ({_show(run.learnt)}): rare here need not be rare at all."
    elif run.host_days < FEW_HOST_DAYS:
        yield f"The baseline holds only {run.host_days:,} host-days: what happens once a month was not in it."


def _widespread(finding: Finding) -> Iterator[str]:
    hosts = dict.fromkeys((*finding.instance_hosts, *finding.context.other_hosts))
    others = [host for host in hosts if host.lower() not in hosts_of(finding)[:1]]
    if len(others) == 1:
        yield f"The same was seen on one other host: {_show(others[0])}."
    elif others:
        named = ", ".join(_show(host) for host in others[:3])
        yield f"The same was seen on {len(others):,} other hosts, such as {named}."


def _signed(finding: Finding) -> Iterator[str]:
    """Signature and place of what was run or loaded, as Sysmon states them."""
    for fields in _leads(finding):
        path = fields.first(("ImageLoaded", "Image", "NewProcessName", "ProcessName", "SourceImage"))
        at_home = path.lower().startswith(SYSTEM_FOLDERS)
        signer, valid = fields.get("Signature", ""), fields.get("SignatureStatus", "").lower() == "valid"
        if signer and valid and fields.get("Signed", "").lower() == "true":
            place = ", and lies in a folder of Windows" if at_home else ""
            maker = "Microsoft" if signer.lower() in MICROSOFT else _show(signer)
            yield f"{_show(base(path))} carries a valid signature of {maker}{place}."
        elif at_home and fields.get("Company", "").lower() == "microsoft corporation":
            yield f"{_show(base(path))} lies in a folder of Windows and names Microsoft as its maker (no proof)."
        elif at_home:
            yield f"{_show(base(path))} lies in a folder of Windows."


def _usual_parent(finding: Finding) -> Iterator[str]:
    for evidence in strongest(finding.evidence):
        for reason in evidence.reasons:
            if reason.field.lower() in PARENTS and reason.seen > 0 and reason.surprisal <= COMMON:
                yield (
                    f"Its parent, {_show(base(reason.raw or reason.value))}, is usual here: "
                    f"seen {reason.seen:,} of {reason.of:,}."
                )
                return


def _seen_before(finding: Finding) -> Iterator[str]:
    for evidence in strongest(finding.evidence)[:3]:
        seen = [r for r in evidence.reasons if r.seen > 0]
        if seen and len(seen) == len(evidence.reasons):
            top = max(seen, key=lambda r: r.surprisal)
            hosts = f" on {top.hosts:,} of {counted(top.of_hosts, 'host')}" if top.of_hosts else ""
            often = f"was seen {_times(top.seen)} before{hosts}"
            yield f"Rare, not new: even the rarest part ({field_words(top.field)}) {often}."
            return


def _boot(finding: Finding) -> Iterator[str]:
    kinds = {evidence.kind.partition("/")[0] for evidence in finding.evidence}
    started = any("Windows started" in line for line in finding.context.nearby)
    if kinds & BOOT_KINDS or started:
        yield "The host was starting at that time: start-up brings much that is seen only then."


def _update(finding: Finding) -> Iterator[str]:
    names = [base(part).lower() for part in finding.context.parent_chain]
    for fields in _leads(finding):
        names += [
            base(fields.get(name, "")).lower()
            for name in ("ParentImage", "Image", "NewProcessName", "ParentProcessName")
        ]
    found = next((name for name in names if name in INSTALLERS), "")
    if found:
        yield f"{found} took part: software is installed or updated this way (and a name alone proves nothing)."


def _machine_account(finding: Finding) -> Iterator[str]:
    users = users_of(finding)
    if users and all(is_machine(user) for user in users):
        yield f"Only the computer's own accounts took part ({_show(users[0])}): services work so all day."


def _local_only(finding: Finding) -> Iterator[str]:
    sources = [fields.first(("IpAddress", "SourceIp", "id.orig_h")) for fields in _leads(finding)]
    known = [source for source in sources if source]
    if known and all(source in LOCAL for source in known):
        yield "It came from the host itself, not over the network."


def _single(finding: Finding) -> Iterator[str]:
    events = {event.id for evidence in finding.evidence for event in evidence.events}
    if len(events) <= 1 and sum(evidence.count for evidence in finding.evidence) <= 1:
        yield "It rests on a single event: nothing else of this episode stands out."


def _working_hours(finding: Finding) -> Iterator[str]:
    start = finding.start
    if start is None:
        return
    time = start.astimezone(UTC)
    if time.weekday() < 5 and 7 <= time.hour < 18:
        yield (
            f"It began on a {time.strftime('%A')} at {time.strftime('%H:%M')} UTC, a working day "
            "(the host's own time zone is not in its logs)."
        )


RULES: tuple[Callable[[Finding], Iterator[str]], ...] = (
    _widespread, _signed, _usual_parent, _update, _boot, _seen_before, _machine_account, _local_only, _single,
    _working_hours,
)  # fmt: skip


def _last_resort(finding: Finding) -> str:
    run = finding.run
    return (
        f"Rare is not malicious: what is rare in {run.host_days:,} host-days of {run.hosts:,} hosts "
        "may be ordinary over a year."
    )


def _leads(finding: Finding) -> list[Fields]:
    """The fields of the first event of the strongest evidence, three pieces at most."""
    return [lead_fields(evidence) for evidence in strongest(finding.evidence)[:3]]


def _show(text: str) -> str:
    return shortened(visible(text), 60)


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _span(past: timedelta) -> str:
    minutes = int(past.total_seconds() // 60)
    return f"{minutes:,} minutes" if minutes < 120 else f"{minutes // 60:,} hours"
