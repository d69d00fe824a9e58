"""Network traffic of a host-day: what Sysmon (3, 22) and Zeek (conn, dns, http, ssl) see of the same flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import Destinations, Programs, assumptions
from vizsla.simulate.faces import Faces
from vizsla.simulate.frame import SYSMON, Column, Parts, text, utc_time
from vizsla.simulate.people import Host, Plan, generator
from vizsla.simulate.processes import Instances, periodic
from vizsla.simulate.sysmon import Activity
from vizsla.simulate.tokens import Pools, Templates, strings, take
from vizsla.simulate.zeek import URIS, add_dns, add_http, add_ssl, conn_columns, uids

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ADDRESSES = 4  # a public name resolves to this many addresses
SYSMON_PORTS = {
    443: "https",
    80: "http",
    389: "ldap",
    88: "kerberos",
    445: "microsoft-ds",
    135: "epmap",
    123: "ntp",
    1433: "ms-sql-s",
    3389: "ms-wbt-server",
}


@dataclass(slots=True)
class Flows:
    """Flows of a host-day as parallel arrays; `process` is a row of the process table, `name` of the name table."""

    process: Ints
    time: Ints
    group: Ints
    name: Ints
    which: Ints  # which of the name's addresses, or which server
    port: Ints  # the originator's


class Network:
    """Names, addresses and the drawing of flows; one per company."""

    def __init__(self, programs: Programs, destinations: Destinations, pools: Pools, staff: Sequence[Host]) -> None:
        self.programs, self.destinations, self.staff = programs, destinations, staff
        rng = generator(20, 8)  # public names have the same addresses in every simulation
        count = len(destinations.names)
        octets = rng.integers(1, 250, (count, 3))
        nets = [(23, 64), (104, 16), (13, 107), (142, 250), (151, 101), (52, 96), (185, 60), (198, 51)]
        first = rng.integers(0, len(nets), count)
        self.addresses = strings(
            [
                f"{nets[first[i]][0]}.{nets[first[i]][1] + octets[i, 0] % 8}.{octets[i, 1]}."
                f"{1 + (octets[i, 2] + 7 * k) % 250}"
                for i in range(count)
                for k in range(ADDRESSES)
            ]
        )
        self.names = strings(list(destinations.names))
        cdn = rng.random(count)
        share = np.repeat(destinations.cdn, destinations.size)
        self.aliases = strings(
            [
                f"{n.split('.')[0]}.{'edgekey' if c < s / 2 else 'cloudfront'}-cdn.example" if c < s else ""
                for n, c, s in zip(destinations.names, cdn, share, strict=True)
            ]
        )
        roles: dict[str, list[int]] = {}
        for host in staff:
            roles.setdefault(host.role, []).append(host.number)
        self.servers = {
            g: np.array(roles.get(r, [0]) if r != "any" else [h.number for h in staff], np.int64)
            for g, r in enumerate(destinations.internal)
            if r
        }
        self.host_addresses, self.host_names = (
            strings([h.address for h in staff]),
            strings([h.fqdn.lower() for h in staff]),
        )
        self.internal = np.array([bool(r) for r in destinations.internal])
        self.web = {kind: Templates(uris, pools, ()).bind({}) for kind, uris in URIS.items()}
        self.lookups = Templates(assumptions()["dns_only"], pools, ()).bind({})
        self.dc = roles.get("dc", [0])[0]
        self.group_http = np.array([list(URIS).index(h) if h else -1 for h in destinations.http])

    def draw(self, table: Instances, activity: Activity, plan: Plan, rng: np.random.Generator) -> Flows:
        """The flows of a host-day's processes."""
        programs, nets = self.programs, self.destinations
        sizes = programs.net_size[table.program]
        rows = np.repeat(np.arange(len(table)), sizes)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        pick = programs.net_start[table.program[rows]] + within
        counts = rng.poisson(programs.net_rate[pick] * activity.factor[rows])
        process, group = np.repeat(rows, counts), np.repeat(programs.net_group[pick], counts)
        time = activity.times(process, rng)
        process, group, time = self._regular(table, plan, process, group, time, rng)
        name = np.zeros(len(group), np.int64)
        which = rng.integers(0, ADDRESSES, len(group))
        u = rng.integers(0, 65536, len(group))
        for g in np.unique(group):
            mine = group == g
            name[mine] = nets.start[g] + nets.ranks[g][u[mine]]
            if g in self.servers:
                which[mine] = self.servers[g][(u[mine] * len(self.servers[g])) >> 16]
        return Flows(process, time, group, name, which, rng.integers(49152, 65535, len(group)))

    def _regular(
        self, table: Instances, plan: Plan, process: Ints, group: Ints, time: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints]:
        """The periodic flows: agents on the clock, each start of a periodic program, and the time service."""
        more = [(process, group, time)]
        periodic_start = np.flatnonzero(
            table.fresh & (self.programs.period_net[table.program] >= 0) & (self.programs.period[table.program] > 0)
        )
        periodic_start = periodic_start[
            np.array([self.programs.when[p] == "every" for p in table.program[periodic_start]], bool)
        ]
        begun = table.time[periodic_start] + 800_000
        more.append((periodic_start, self.programs.period_net[table.program[periodic_start]], begun))
        index = self.programs.index
        for row in np.flatnonzero(np.isin(table.program, [index["agent"], index["svchost_time"]])):
            program = int(table.program[row])
            if program == index["agent"]:
                times = periodic(plan, self.programs.period[program], self.programs.jitter[program], rng)
                where = self.programs.period_net[program]
            else:  # domain members ask their controller about every 34 minutes, the controller a public server
                times = periodic(plan, 2048, 0.02, rng)
                where = self.destinations.index["ntpdc"]
            times = times[times > table.time[row]]
            more.append((np.full(len(times), row), np.full(len(times), where), times))
        joined = [np.concatenate(c).astype(np.int64) for c in zip(*more, strict=True)]
        return joined[0], joined[1], joined[2]

    def peers(self, flows: Flows) -> tuple[pa.Array, pa.Array]:
        """Addresses and names of the other ends."""
        inside = self.internal[flows.group]
        hosts = np.where(inside, flows.which, 0)
        address = pc.if_else(
            pa.array(inside),
            take(self.host_addresses, hosts),
            take(self.addresses, flows.name * ADDRESSES + flows.which % ADDRESSES),
        )
        named = pc.if_else(pa.array(inside), take(self.host_names, hosts), take(self.names, flows.name))
        return address, named


def add_network(
    parts: Parts,
    network: Network,
    host: Host,
    table: Instances,
    view: Faces,
    activity: Activity,
    plan: Plan,
    rng: np.random.Generator,
) -> None:
    """Sysmon's and Zeek's records of a host-day's traffic."""
    flows = network.draw(table, activity, plan, rng)
    address, named = network.peers(flows)
    nets, count = network.destinations, len(flows.time)
    failed = rng.random(count) < assumptions()["flow"]["failed"]
    size = np.exp(rng.normal(0, 0.9, (3, count)))
    sent = np.where(failed, 0, nets.out[flows.group] * size[0]).astype(np.int64)
    received = np.where(failed, 0, nets.into[flows.group] * size[1]).astype(np.int64)
    lasts = nets.life[flows.group] * size[2] + 0.001
    udp, port = nets.udp[flows.group], nets.port[flows.group]
    uid = uids(count, rng)
    ends: dict[str, Column] = {
        "uid": uid,
        "id.orig_h": host.address,
        "id.orig_p": text(flows.port),
        "id.resp_h": address,
        "id.resp_p": text(port),
    }
    service = [
        s or ("ntp" if u else "ssl" if p == 443 else "http" if h else "")
        for s, u, p, h in zip(nets.service, nets.udp, nets.port, nets.http, strict=True)
    ]
    shown = pc.if_else(
        pa.array(failed),
        pa.scalar(None, pa.string()),
        pc.replace_with_mask(strings(service), pc.equal(strings(service), ""), pa.scalar(None, pa.string())).take(
            pa.array(flows.group)
        ),
    )
    parts.add(
        "zeek_conn",
        "",
        flows.time,
        conn_columns(ends, shown, udp, failed, sent, received, lasts, network.internal[flows.group], rng),
    )
    add_ssl(parts, ends, flows.time, named, np.flatnonzero((port == 443) & ~failed), rng)
    add_http(
        parts,
        network.web,
        ends,
        flows.time,
        named,
        np.where(failed, -1, network.group_http[flows.group]),
        sent,
        received,
        rng,
    )
    _connections(parts, host, table, view, flows, address, udp, port, rng)
    _lookups(parts, network, host, table, view, activity, flows, named, address, rng)


def _connections(
    parts: Parts,
    host: Host,
    table: Instances,
    view: Faces,
    flows: Flows,
    address: pa.Array,
    udp: NDArray[np.bool_],
    port: Ints,
    rng: np.random.Generator,
) -> None:
    rows = np.flatnonzero(rng.random(len(flows.time)) >= assumptions()["flow"]["unseen_by_sysmon"])
    who, time = flows.process[rows], flows.time[rows]
    known = np.array(sorted(SYSMON_PORTS))
    names = strings([*(SYSMON_PORTS[int(p)] for p in known), "-"])
    place = np.searchsorted(known, port[rows])
    place = np.where(known[np.minimum(place, len(known) - 1)] == port[rows], place, len(known))
    parts.add(
        SYSMON,
        3,
        time,
        {
            "RuleName": "-",
            "UtcTime": utc_time(time),
            "ProcessGuid": take(view.guid, who),
            "ProcessId": text(view.pid[who]),
            "Image": take(view.image, who),
            "User": take(view.user, who),
            "Protocol": take(strings(["tcp", "udp"]), udp[rows].astype(np.int64)),
            "Initiated": "true",
            "SourceIsIpv6": "false",
            "SourceIp": host.address,
            "SourceHostname": host.fqdn,
            "SourcePort": text(flows.port[rows]),
            "SourcePortName": "-",
            "DestinationIsIpv6": "false",
            "DestinationIp": address.take(pa.array(rows)),
            "DestinationHostname": "-",
            "DestinationPort": text(port[rows]),
            "DestinationPortName": take(names, place),
        },
    )


def _lookups(
    parts: Parts,
    network: Network,
    host: Host,
    table: Instances,
    view: Faces,
    activity: Activity,
    flows: Flows,
    named: pa.Array,
    address: pa.Array,
    rng: np.random.Generator,
) -> None:
    """Names asked for before flows, and those that Windows asks for by itself."""
    rows = np.flatnonzero(rng.random(len(flows.time)) < assumptions()["flow"]["dns_share"])
    at = pa.array(rows)
    time, who = flows.time[rows] - 40_000, flows.process[rows]
    outside = ~network.internal[flows.group[rows]]
    alias = pc.if_else(pa.array(outside), take(network.aliases, np.where(outside, flows.name[rows], 0)), "")
    asked, answer = named.take(at), address.take(at)
    aliased = pc.not_equal(alias, "")
    results = pc.if_else(
        aliased,
        pc.binary_join_element_wise("type:  5 ", alias, ";::ffff:", answer, ";", ""),
        pc.binary_join_element_wise("::ffff:", answer, ";", ""),
    )
    parts.add(
        SYSMON, 22, time, _asked(view, who, time) | {"QueryName": asked, "QueryStatus": "0", "QueryResults": results}
    )
    answers = pc.if_else(aliased, pc.binary_join_element_wise(alias, answer, ","), answer)
    resolver = np.flatnonzero(table.program == network.programs.index["svchost_dns"])[:1]
    extra = np.repeat(resolver, int(rng.poisson(45 * activity.clock.on_share)))
    when = activity.times(extra, rng)
    names = network.lookups.render(
        (rng.random(len(extra)) ** 1.3 * network.lookups.table.counts.size).astype(np.int64), rng
    )
    lost = rng.random(len(extra)) < 0.5
    status = take(strings(["0", "9003"]), lost.astype(np.int64))
    dc = network.staff[network.dc].address
    found = take(strings([f"::ffff:{dc};", "-"]), lost.astype(np.int64))
    parts.add(
        SYSMON, 22, when, _asked(view, extra, when) | {"QueryName": names, "QueryStatus": status, "QueryResults": found}
    )
    ok = np.concatenate([np.zeros(len(rows), bool), lost])
    whole, whens = pa.concat_arrays([asked, names]), np.concatenate([time, when])
    replies = pa.concat_arrays([answers, pc.if_else(pa.array(lost), pa.scalar(None, pa.string()), pa.scalar(dc))])
    add_dns(parts, host, dc, whens, whole, replies, ok, rng)


def _asked(view: Faces, who: Ints, time: Ints) -> dict[str, Column]:
    return {
        "RuleName": "-",
        "UtcTime": utc_time(time),
        "ProcessGuid": take(view.guid, who),
        "ProcessId": text(view.pid[who]),
        "Image": take(view.image, who),
        "User": take(view.user, who),
    }
