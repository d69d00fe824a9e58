"""The intruder's story: complete, consistent, and where the truth says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from vizsla.simulate import STAGES, Company
from vizsla.simulate.frame import CHANNELS


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_stage_is_told_whatever_the_seed(seed):
    company = Company(10, 4, seed)
    stages = {r.stage for c in company.chunks() for r in c.truth}
    assert stages == set(STAGES)


def test_truth_names_records_that_exist_once(events, truth, company):
    address = {h.fqdn: h.address for h in company.hosts}
    keys = {}
    for table, whole in events.items():
        host, number = ("Computer", "EventRecordID") if table in CHANNELS else ("id.orig_h", "uid")
        keys[table] = list(zip(whole[host].to_pylist(), whole[number].to_pylist(), strict=True))
    for record in truth:
        who = record.computer if record.table in CHANNELS else address[record.computer]
        assert keys[record.table].count((who, record.record_id)) == 1
        assert record.technique.startswith("T1")
    assert len({(r.table, r.computer, r.record_id) for r in truth}) == len(truth)


def test_the_intruders_processes_hang_together(events, truth):
    numbers = {(r.computer, r.record_id) for r in truth if r.channel == CHANNELS["windows_sysmon"]}
    sysmon = events["windows_sysmon"]
    starts = sysmon.filter(pc.equal(sysmon["EventID"], "1")).to_pylist()
    mine = [s for s in starts if (s["Computer"], s["EventRecordID"]) in numbers]
    guids = {s["ProcessGuid"] for s in mine}
    assert len(mine) > 20 and len(guids) == len(mine)
    images = {s["Image"].rsplit("\\", 1)[-1]: s for s in mine}
    assert images["powershell.exe"]["ParentImage"].endswith("WINWORD.EXE")
    assert " -enc " in images["powershell.exe"]["CommandLine"]
    parents = {s["ParentImage"].rsplit("\\", 1)[-1] for s in mine if s["ParentProcessGuid"] not in guids}
    assert parents <= {"explorer.exe", "services.exe", "svchost.exe"}
    # those roots are the machine's own: their GUIDs stand in other events too
    others = set(sysmon["ProcessGuid"].to_pylist()) | set(sysmon["SourceProcessGUID"].to_pylist())
    assert {s["ParentProcessGuid"] for s in mine} - guids <= others


def test_the_beacon_is_regular_and_the_upload_is_big(events, truth):
    uids = {r.record_id for r in truth if r.channel == "conn" and r.stage == "command and control"}
    conn = events["zeek_conn"]
    beacon = conn.filter(pc.is_in(conn["uid"], value_set=pa.array(sorted(uids))))
    beacon = beacon.filter(pc.equal(beacon["id.resp_p"], "443"))
    gaps = np.diff(np.sort(np.array([float(t) for t in beacon["ts"].to_pylist()])))
    gaps = gaps[gaps < 1000]
    assert len(gaps) > 50 and 280 < np.median(gaps) < 320 and gaps.std() / gaps.mean() < 0.2
    sizes = pc.cast(conn["orig_bytes"].combine_chunks(), "int64").to_numpy(zero_copy_only=False)
    big = [r.record_id for r in truth if r.stage == "exfiltration" and r.channel == "conn"]
    assert conn["uid"].to_pylist()[int(np.argmax(sizes))] in big


def test_the_intruder_keeps_to_the_days_given():
    company = Company(6, 6, 4, intrusion_days=(4, 5))
    days = {c.day for c in company.chunks() if c.truth}
    assert days and days <= {4, 5}
