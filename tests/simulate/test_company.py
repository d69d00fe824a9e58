"""What must hold of any simulated company: reproducible, consistent, plausible."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.compute as pc
import pytest
from company_samples import DAYS, HOSTS, SEED, gather

from vizsla.errors import UsageError
from vizsla.simulate import Company
from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.columns import table_columns
from vizsla.simulate.frame import CHANNELS

KINDS = ("1", "3", "5", "7", "10", "11", "12", "13", "17", "18", "22", "23")


def of(table, event):
    return table.filter(pc.equal(table["EventID"], event))


def test_same_seed_gives_the_same_events_whatever_the_batch_size(events):
    again = gather(Company(HOSTS, DAYS, SEED), rows=777)
    assert again.keys() == events.keys()
    assert all(again[t].equals(events[t]) for t in events)


def test_another_seed_gives_other_events(events):
    other = gather(Company(HOSTS, DAYS, SEED + 1))
    assert not other["windows_sysmon"].equals(events["windows_sysmon"])


def test_leaving_out_the_intruder_changes_nothing_else(events, truth):
    quiet = gather(Company(HOSTS, DAYS, SEED, intrusion=False))
    marked = {(r.table, r.computer, r.record_id) for r in truth}
    assert marked
    for table, whole in events.items():
        host, number = ("Computer", "EventRecordID") if table in CHANNELS else ("id.orig_h", "uid")
        address = {h.fqdn: h.address for h in Company(HOSTS, DAYS, SEED).hosts}
        names = {(t, c if t in CHANNELS else address[c], r) for t, c, r in marked if t == table}
        keep = [
            (table, a, b) not in names for a, b in zip(whole[host].to_pylist(), whole[number].to_pylist(), strict=True)
        ]
        left = whole.filter(keep)
        assert left.num_rows == whole.num_rows - len(names)
        assert left.drop(["_origin"]).equals(quiet[table].drop(["_origin"]))


def test_columns_are_the_declared_ones_and_strings(events):
    assert set(events) == {*CHANNELS, "zeek_conn", "zeek_dns", "zeek_http", "zeek_ssl"}
    for table, whole in events.items():
        assert tuple(whole.column_names) == table_columns(table)
        assert {str(f.type) for f in whole.schema if f.name != "_time"} == {"string"}
        assert str(whole.schema.field("_time").type) == "timestamp[us, tz=UTC]"
        assert whole["_time"].null_count == whole["_host"].null_count == whole["_origin"].null_count == 0


def test_record_ids_are_unique_and_grow_with_time(events):
    for table in CHANNELS:
        whole = events[table]
        for host in pc.unique(whole["Computer"]).to_pylist():
            mine = whole.filter(pc.equal(whole["Computer"], host))
            numbers = np.array([int(v) for v in mine["EventRecordID"].to_pylist()])
            assert (np.diff(numbers) > 0).all()
            assert (np.diff(mine["_time"].cast("int64").to_numpy()) >= 0).all()


def test_zeek_uids_are_unique_and_logs_agree(events):
    conn = events["zeek_conn"]
    uids = set(conn["uid"].to_pylist())
    assert len(uids) == conn.num_rows
    for table in ("zeek_ssl", "zeek_http", "zeek_dns"):
        assert set(events[table]["uid"].to_pylist()) <= uids
    assert pc.all(pc.equal(conn["_host"], conn["id.orig_h"])).as_py()


def test_events_lie_within_their_day_and_working_hours_show(events):
    sysmon = events["windows_sysmon"]
    work = of(sysmon.filter(pc.match_substring(sysmon["User"], "LARKFIELD\\")), "1")
    people = work.filter(pc.match_substring(work["Computer"], "LF-"))
    hours = Counter(pc.hour(people["_time"]).to_pylist())
    day, night = sum(hours[h] for h in range(9, 17)), sum(hours[h] for h in (0, 1, 2, 3, 4, 22, 23))
    assert day > 20 * max(night, 1)
    assert hours[12] < 0.8 * hours[10]  # lunch


def test_weekends_are_quiet():
    counts = Counter()
    for chunk in Company(8, 7, 5, intrusion=False).chunks():
        if chunk.table == "windows_sysmon":
            people = pc.match_substring(chunk.events["User"], f"LARKFIELD\\{chunk.host.user}")
            counts[chunk.day] += 0 if chunk.host.server else pc.sum(people).as_py() or 0
    assert max(counts[5], counts[6]) < 0.4 * min(counts[d] for d in range(5))


def test_parents_started_before_their_children(company, events):
    starts = of(events["windows_sysmon"], "1").select(
        ["Computer", "_time", "ProcessGuid", "ParentProcessGuid", "ParentImage"]
    )
    begun: dict[tuple[str, str], object] = {}
    unknown = 0
    midnight = starts["_time"][0].as_py().replace(hour=0, minute=0, second=0, microsecond=0)
    for row in starts.to_pylist():
        key = (row["Computer"], row["ParentProcessGuid"])
        if key in begun:
            assert begun[key] <= row["_time"]
        else:
            unknown += 1
            _, low, high, *_ = row["ParentProcessGuid"].split("-")
            started = int(high + low, 16)
            # what is not in the log was running before the log began, or is the System process of a boot
            assert started < midnight.timestamp() or row["ParentImage"] == "System"
        assert (row["Computer"], row["ProcessGuid"]) not in begun
        begun[(row["Computer"], row["ProcessGuid"])] = row["_time"]
    assert 0 < unknown < len(begun)


def test_ends_and_other_acts_belong_to_known_processes(company, events):
    sysmon = events["windows_sysmon"]
    starts = of(sysmon, "1")
    begun = dict(zip(starts["ProcessGuid"].to_pylist(), starts["_time"].to_pylist(), strict=True))
    midnight = min(begun.values()).replace(hour=0, minute=0, second=0, microsecond=0)
    for event in KINDS[1:]:
        acts = of(sysmon, event)
        assert acts.num_rows > 0, event
        field = "SourceProcessGUID" if event == "10" else "ProcessGuid"
        for guid, time in zip(acts[field].to_pylist(), acts["_time"].to_pylist(), strict=True):
            if guid in begun:
                assert begun[guid] <= time, event
            else:
                _, low, high, *_ = guid.split("-")
                assert int(high + low, 16) < midnight.timestamp(), event


def test_security_agrees_with_sysmon(events):
    for event, audit, ours, theirs in (
        ("1", "4688", "ProcessId", "NewProcessId"),
        ("5", "4689", "ProcessId", "ProcessId"),
    ):
        sysmon, security = of(events["windows_sysmon"], event), of(events["windows_security"], audit)
        image = {"4688": "NewProcessName", "4689": "ProcessName"}[audit]
        one = Counter(
            zip(
                sysmon["Computer"].to_pylist(),
                (int(p) for p in sysmon[ours].to_pylist()),
                sysmon["Image"].to_pylist(),
                strict=True,
            )
        )
        two = Counter(
            zip(
                security["Computer"].to_pylist(),
                (int(p, 16) for p in security[theirs].to_pylist()),
                security[image].to_pylist(),
                strict=True,
            )
        )
        assert one == two and len(one) > 1000


def test_logon_ids_of_users_processes_were_logged_or_are_older(company, events):
    starts, logons = of(events["windows_sysmon"], "1"), of(events["windows_security"], "4624")
    logged = set(zip(logons["Computer"].to_pylist(), logons["TargetLogonId"].to_pylist(), strict=True))
    sessions = {(h.fqdn, hex(company.processes.session_logon(h, -1)[1])) for h in company.hosts}
    services = set()
    for host in company.hosts:
        resident = company.processes.resident_set(host, 0)
        services |= {(host.fqdn, hex(int(v))) for v in resident.logon[resident.account == 5]}
    first = {(h.fqdn, hex(company.processes.session_logon(h, 0)[1])) for h in company.hosts
             if company.calendar.last_boot(h, 0) < 0}  # fmt: skip
    built_in = {"0x3e7", "0x3e5", "0x3e4"}
    for pair in set(zip(starts["Computer"].to_pylist(), starts["LogonId"].to_pylist(), strict=True)):
        assert pair[1] in built_in or pair in logged | sessions | services | first, pair


def test_values_vary_as_in_real_logs(events):
    sysmon = events["windows_sysmon"]
    commands = Counter(of(sysmon, "1")["CommandLine"].to_pylist())
    once = sum(1 for n in commands.values() if n == 1)
    assert once > 0.3 * len(commands) and commands.most_common(1)[0][1] > 50
    queries = Counter(events["zeek_dns"]["query"].to_pylist())
    ranked = [n for _, n in queries.most_common()]
    assert len(ranked) > 400 and ranked[0] > 20 * ranked[len(ranked) // 2]
    assert len(set(of(sysmon, "11")["TargetFilename"].to_pylist())) > 2000
    assert not any("<" in c and ">" in c for c in commands)


def test_stationary_host_days_are_alike():
    counts = Counter()
    company = Company(8, 14, 9, intrusion=False, stationary=True)
    for chunk in company.chunks():
        if chunk.table == "windows_sysmon":
            assert "124.0.6367" not in str(chunk.events["CommandLine"].drop_null().to_pylist()[:200])
            counts[chunk.day] += chunk.events.num_rows
    first, last = (np.array([counts[d] for d in days], float) for days in (range(7), range(7, 14)))
    assert abs(first.mean() - last.mean()) < 3 * np.sqrt(first.var() / 7 + last.var() / 7)
    assert all(h.joins < 0 for h in company.hosts)


def test_changes_show_up():
    company = Company(10, 12, 4, intrusion=False)
    versions, boots, users = set(), 0, []
    for chunk in company.chunks():
        if chunk.table == "windows_sysmon":
            texts = chunk.events["FileVersion"].drop_null().to_pylist()
            versions |= {t for t in texts if t.startswith(("123.0.6312", "124.0.6367"))}
        if chunk.table == "windows_system":
            boots += sum(e == "19" for e in chunk.events["EventID"].to_pylist())
        if chunk.table == "windows_security":
            users += of(chunk.events, "4720")["TargetUserName"].to_pylist()
    assert len(versions) == 2
    assert boots >= 8  # the second Tuesday of March lies within the twelve days
    assert users == [company.hosts[-1].user]


def test_newcomer_is_silent_before_joining():
    company = Company(8, 6, 2, intrusion=False)
    joins = company.hosts[-1].joins
    days = {c.day for c in company.chunks() if c.host is company.hosts[-1]}
    assert min(days) == joins > 0


@pytest.mark.parametrize(("field", "value"), [("hosts", 0), ("days", 0), ("seed", -1), ("hosts", 5000)])
def test_bad_arguments_are_named(field, value):
    with pytest.raises(UsageError, match=field):
        Company(**{field: value})


def test_batch_rows_are_checked(company):
    with pytest.raises(UsageError, match="rows"):
        next(company.batches(0))


def test_every_program_of_the_file_appears(events):
    seen = {i.lower() for i in events["windows_sysmon"]["Image"].drop_null().to_pylist()}
    names = {i.rsplit("\\", 1)[-1] for i in seen}
    wanted = {p["img"].rsplit("\\", 1)[-1].lower() for p in assumptions()["programs"].values()}
    assert len(wanted - names) < 12, wanted - names  # the rare ones need more host-days
