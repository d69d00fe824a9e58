"""Network traffic of a host-day: what Sysmon (3, 22) and Zeek (conn, dns, http, ssl) see of the same flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import Destinations, Programs, assumptions
from vizsla.simulate.faces import Faces
from vizsla.simulate.frame import SYSMON, Column, Parts, text, utc_time
from vizsla.simulate.people import SECOND, Host, Plan, generator
from vizsla.simulate.processes import Instances, periodic
from vizsla.simulate.sysmon import Activity
from vizsla.simulate.tokens import Pools, Templates, strings, take

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_UID = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ADDRESSES = 4  # a public name resolves to this many addresses
URIS = {
    "page": ["/", "/<rand8>/<word>.html", "/assets/<hex8>.js", "/img/<hex16>.png", "/search?q=<word>+<word>&p=<n2>"],
    "update": ["/filestreamingservice/files/<guid>?P1=<n10>&P2=404&P3=2&P4=<b64>", "/msdownload/update/v3/static/trustedr/en/authrootstl.cab?<hex16>",
               "/d/msdownload/update/software/defu/2026/03/am_delta_<hex32><hex8>.exe"],
    "ocsp": ["/MFEwTzBNMEswSTAJBgUrDgMCGgUABBT<b16>", "/<word>.crl", "/gts/gts1c3/<b16>"],
    "wsus": ["/ClientWebService/client.asmx", "/SimpleAuthWebService/SimpleAuth.asmx", "/Content/<HEX2>/<HEX32><HEX8>.cab"],
    "wsman": ["/wsman?PSVersion=5.1.19041.4170", "/wsman"],
}  # fmt: skip
AGENTS = {
    "page": [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36"
    ],
    "update": ["Microsoft-Delivery-Optimization/10.1", "Microsoft BITS/7.8", "Microsoft-CryptoAPI/10.0"],
    "ocsp": ["Microsoft-CryptoAPI/10.0"],
    "wsus": ["Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.71"],
    "wsman": ["Microsoft WinRM Client"],
}
MIMES = {
    "page": "text/html",
    "update": "application/octet-stream",
    "ocsp": "application/ocsp-response",
    "wsus": "text/xml",
    "wsman": "-",
}
CIPHERS = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
SYSMON_PORTS = {443: "https", 80: "http", 389: "ldap", 88: "kerberos", 445: "microsoft-ds", 135: "epmap", 123: "ntp",
                1433: "ms-sql-s", 3389: "ms-wbt-server"}  # fmt: skip


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
                f"{nets[first[i]][0]}.{nets[first[i]][1] + octets[i, 0] % 8}.{octets[i, 1]}.{1 + (octets[i, 2] + 7 * k) % 250}"
                for i in range(count)
                for k in range(ADDRESSES)
            ]
        )
        self.names = strings(list(destinations.names))
        cdn = rng.random(count)
        share = np.repeat(destinations.cdn, destinations.size)
        self.aliases = strings(
            [f"{n.split('.')[0]}.{'edgekey' if c < s / 2 else 'cloudfront'}-cdn.example" if c < s else ""
             for n, c, s in zip(destinations.names, cdn, share, strict=True)]
        )  # fmt: skip
        roles: dict[str, list[int]] = {}
        for host in staff:
            roles.setdefault(host.role, []).append(host.number)
        self.servers = {
            g: np.array(roles.get(r, [0]) if r != "any" else [h.number for h in staff], np.int64)
            for g, r in enumerate(destinations.internal) if r
        }  # fmt: skip
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


def uids(count: int, rng: np.random.Generator, letter: str = "C") -> pa.Array:
    """Zeek's connection ids: a letter and 17 digits to base 62."""
    digits = np.frombuffer(_UID.encode(), np.uint8)[rng.integers(0, 62, (count, 18))].copy()
    digits[:, 0] = ord(letter)
    data = np.ascontiguousarray(digits)
    offsets = np.arange(count + 1, dtype=np.int32) * 18
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes()))


def zeek_time(time: Ints) -> pa.Array:
    """Seconds since 1970 with six decimals."""
    fraction = pc.utf8_lpad(text(time % SECOND), 6, "0")
    return pc.binary_join_element_wise(text(time // SECOND), fraction, ".")


def decimals(seconds: Floats) -> pa.Array:
    """Durations with six decimals."""
    return zeek_time(np.maximum((seconds * SECOND).astype(np.int64), 1))


def add_network(
    parts: Parts, network: Network, host: Host, table: Instances, view: Faces, activity: Activity, plan: Plan,
    rng: np.random.Generator,
) -> None:  # fmt: skip
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
    ends: dict[str, Column] = {"uid": uid, "id.orig_h": host.address, "id.orig_p": text(flows.port), "id.resp_h": address,
                               "id.resp_p": text(port)}  # fmt: skip
    service = [s or ("ntp" if u else "ssl" if p == 443 else "http" if h else "") for s, u, p, h in
               zip(nets.service, nets.udp, nets.port, nets.http, strict=True)]  # fmt: skip
    shown = pc.if_else(pa.array(failed), pa.scalar(None, pa.string()), pc.replace_with_mask(
        strings(service), pc.equal(strings(service), ""), pa.scalar(None, pa.string())).take(pa.array(flows.group)))  # fmt: skip
    parts.add(
        "zeek_conn",
        "",
        flows.time,
        conn_columns(ends, shown, udp, failed, sent, received, lasts, network.internal[flows.group], rng),
    )
    _ssl(parts, ends, flows.time, named, np.flatnonzero((port == 443) & ~failed), rng)
    _http(
        parts,
        network,
        ends,
        flows,
        named,
        np.flatnonzero((network.group_http[flows.group] >= 0) & ~failed),
        sent,
        received,
        rng,
    )
    _connections(parts, host, table, view, flows, address, udp, port, rng)
    _lookups(parts, network, host, table, view, activity, flows, named, address, rng)


def conn_columns(
    ends: Mapping[str, Column], service: pa.Array | str, udp: NDArray[np.bool_], failed: NDArray[np.bool_], sent: Ints,
    received: Ints, lasts: Floats, inside: NDArray[np.bool_], rng: np.random.Generator,
) -> dict[str, Column]:  # fmt: skip
    """The columns of Zeek's conn.log, but for ts."""
    count = len(sent)
    ragged = rng.random(count)
    state = np.where(failed, 0, np.where(udp, 1, np.where(ragged < 0.8, 1, np.where(ragged < 0.92, 2, 3))))
    history = np.where(failed, np.where(udp, 0, 1), np.where(udp, 2, state + 2))
    packets = [np.maximum(bytes_ // 900 + np.where(udp, 1, 5), 1) for bytes_ in (sent, received)]
    overhead = np.where(udp, 28, 40)
    return dict(ends) | {
        "proto": take(strings(["tcp", "udp"]), udp.astype(np.int64)), "service": service, "duration": decimals(lasts),
        "orig_bytes": text(sent), "resp_bytes": text(received),
        "conn_state": take(strings(["S0", "SF", "RSTO", "RSTR"]), state), "local_orig": "T",
        "local_resp": take(strings(["F", "T"]), inside.astype(np.int64)), "missed_bytes": "0",
        "history": take(strings(["D", "S", "Dd", "ShADadFf", "ShADadR", "ShADadr"]), history),
        "orig_pkts": text(packets[0]), "orig_ip_bytes": text(sent + packets[0] * overhead),
        "resp_pkts": text(np.where(failed, 0, packets[1])), "resp_ip_bytes": text(np.where(failed, 0, received + packets[1] * overhead)),
        "tunnel_parents": None,
    }  # fmt: skip


def _at(columns: Mapping[str, Column], where: pa.Array) -> dict[str, Column]:
    return {n: c.take(where) if isinstance(c, pa.Array) else c for n, c in columns.items()}


def _ssl(
    parts: Parts, ends: Mapping[str, Column], time: Ints, named: pa.Array, rows: Ints, rng: np.random.Generator
) -> None:
    where, count = pa.array(rows), len(rows)
    pick = (rng.random(count) ** 2 * 3).astype(np.int64)
    prints = strings(["773906b0efdefa24a7f2b8eb6985bf37", "cd08e31494f9531f560d64c695473da9", "28a2c9bd18a11de089ef85a160da29e4",
                      "3b5074b1b5d032e5620f69f9f700ff0e"])  # fmt: skip
    replies = strings(
        ["f4febc55ea12b31ae17cfb7e614afda8", "eb1d94daa7e0344597e756a1fb6e7054", "15af977ce25de452b96affa2addb1036"]
    )
    parts.add("zeek_ssl", "", time[rows] + 24_000, _at(ends, where) | {
        "version": take(strings(["TLSv13", "TLSv13", "TLSv12"]), pick), "cipher": take(strings(list(CIPHERS)), pick),
        "curve": take(strings(["x25519", "secp256r1"]), (rng.random(count) < 0.3).astype(np.int64)),
        "server_name": named.take(where), "resumed": take(strings(["F", "T"]), (rng.random(count) < 0.35).astype(np.int64)),
        "last_alert": None, "next_protocol": take(strings(["h2", "http/1.1"]), (rng.random(count) < 0.25).astype(np.int64)),
        "established": "T", "ssl_history": take(strings(["CsiI", "CsxkutnGVI"]), (pick == 2).astype(np.int64)),
        "subject": None, "issuer": None, "validation_status": None,
        "ja3": take(prints, (rng.random(count) ** 1.7 * 4).astype(np.int64)), "ja3s": take(replies, pick),
    })  # fmt: skip


def _http(
    parts: Parts, network: Network, ends: Mapping[str, Column], flows: Flows, named: pa.Array, rows: Ints, sent: Ints,
    received: Ints, rng: np.random.Generator,
) -> None:  # fmt: skip
    for number, kind in enumerate(URIS):
        mine = rows[network.group_http[flows.group[rows]] == number]
        count = len(mine)
        if not count:
            continue
        where, table = pa.array(mine), network.web[kind]
        pick = (rng.random(count) ** 1.4 * len(URIS[kind])).astype(np.int64)
        method = "POST" if kind in ("wsman", "wsus") else "GET"
        status = np.where(rng.random(count) < 0.93, 0, np.where(rng.random(count) < 0.6, 1, 2))
        parts.add("zeek_http", "", flows.time[mine] + 18_000, _at(ends, where) | {
            "trans_depth": "1", "method": method, "host": named.take(where), "uri": table.render(pick, rng),
            "referrer": None, "version": "1.1", "user_agent": take(strings(AGENTS[kind]), (rng.random(count) * len(AGENTS[kind])).astype(np.int64)),
            "origin": None, "request_body_len": text(np.where(method == "POST", sent[mine], 0)),
            "response_body_len": text(received[mine]), "status_code": take(strings(["200", "304", "404"]), status),
            "status_msg": take(strings(["OK", "Not Modified", "Not Found"]), status), "info_code": None, "info_msg": None,
            "tags": None, "username": None, "password": None, "proxied": None, "orig_fuids": None, "orig_filenames": None,
            "orig_mime_types": None, "resp_fuids": uids(count, rng, "F"), "resp_filenames": None,
            "resp_mime_types": MIMES[kind] if MIMES[kind] != "-" else None,
        })  # fmt: skip


def _connections(
    parts: Parts, host: Host, table: Instances, view: Faces, flows: Flows, address: pa.Array,
    udp: NDArray[np.bool_], port: Ints, rng: np.random.Generator,
) -> None:  # fmt: skip
    rows = np.flatnonzero(rng.random(len(flows.time)) >= assumptions()["flow"]["unseen_by_sysmon"])
    who, time = flows.process[rows], flows.time[rows]
    known = np.array(sorted(SYSMON_PORTS))
    names = strings([*(SYSMON_PORTS[int(p)] for p in known), "-"])
    place = np.searchsorted(known, port[rows])
    place = np.where(known[np.minimum(place, len(known) - 1)] == port[rows], place, len(known))
    parts.add(SYSMON, 3, time, {
        "RuleName": "-", "UtcTime": utc_time(time), "ProcessGuid": take(view.guid, who), "ProcessId": text(view.pid[who]),
        "Image": take(view.image, who), "User": take(view.user, who), "Protocol": take(strings(["tcp", "udp"]), udp[rows].astype(np.int64)),
        "Initiated": "true", "SourceIsIpv6": "false", "SourceIp": host.address, "SourceHostname": host.fqdn,
        "SourcePort": text(flows.port[rows]), "SourcePortName": "-", "DestinationIsIpv6": "false",
        "DestinationIp": address.take(pa.array(rows)), "DestinationHostname": "-", "DestinationPort": text(port[rows]),
        "DestinationPortName": take(names, place),
    })  # fmt: skip


def _lookups(
    parts: Parts, network: Network, host: Host, table: Instances, view: Faces, activity: Activity, flows: Flows,
    named: pa.Array, address: pa.Array, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Names asked for before flows, and those that Windows asks for by itself."""
    rows = np.flatnonzero(rng.random(len(flows.time)) < assumptions()["flow"]["dns_share"])
    at = pa.array(rows)
    time, who = flows.time[rows] - 40_000, flows.process[rows]
    outside = ~network.internal[flows.group[rows]]
    alias = pc.if_else(pa.array(outside), take(network.aliases, np.where(outside, flows.name[rows], 0)), "")
    asked, answer = named.take(at), address.take(at)
    aliased = pc.not_equal(alias, "")
    results = pc.if_else(aliased, pc.binary_join_element_wise("type:  5 ", alias, ";::ffff:", answer, ";", ""),
                         pc.binary_join_element_wise("::ffff:", answer, ";", ""))  # fmt: skip
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
    _dns(parts, host, dc, whens, whole, replies, ok, rng)


def _asked(view: Faces, who: Ints, time: Ints) -> dict[str, Column]:
    return {"RuleName": "-", "UtcTime": utc_time(time), "ProcessGuid": take(view.guid, who), "ProcessId": text(view.pid[who]),
            "Image": take(view.image, who), "User": take(view.user, who)}  # fmt: skip


def _dns(
    parts: Parts, host: Host, dc: str, time: Ints, names: pa.Array, replies: pa.Array, lost: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    count = len(time)
    kind = np.where(rng.random(count) < 0.75, 0, 1)
    kind = np.where(pc.ends_with(names, "in-addr.arpa").to_numpy(zero_copy_only=False), 2, kind)
    kind = np.where(pc.starts_with(names, "_").to_numpy(zero_copy_only=False), 3, kind)
    ends: dict[str, Column] = {"uid": uids(count, rng), "id.orig_h": host.address, "id.orig_p": text(rng.integers(49152, 65535, count)),
                               "id.resp_h": dc, "id.resp_p": "53"}  # fmt: skip
    quick = rng.exponential(0.012, count) + 0.0003
    flags = take(
        strings(["F", "T"]), pc.ends_with(names, "larkfield.example").to_numpy(zero_copy_only=False).astype(np.int64)
    )
    parts.add("zeek_dns", "", time, ends | {
        "proto": "udp", "trans_id": text(rng.integers(1, 65535, count)), "rtt": decimals(quick), "query": names,
        "qclass": "1", "qclass_name": "C_INTERNET", "qtype": take(strings(["1", "28", "12", "33"]), kind),
        "qtype_name": take(strings(["A", "AAAA", "PTR", "SRV"]), kind), "rcode": take(strings(["0", "3"]), lost.astype(np.int64)),
        "rcode_name": take(strings(["NOERROR", "NXDOMAIN"]), lost.astype(np.int64)), "AA": flags, "TC": "F", "RD": "T",
        "RA": "T", "Z": "0", "answers": replies, "TTLs": pc.if_else(pc.is_null(replies), pa.scalar(None, pa.string()),
        pc.binary_join_element_wise(text(rng.integers(5, 3600, count)), "000000", ".")), "rejected": "F",
    })  # fmt: skip
    sizes = rng.integers(28, 70, (2, count))
    yes = np.ones(count, bool)
    parts.add(
        "zeek_conn", "", time, conn_columns(ends, "dns", yes, ~yes, sizes[0], sizes[0] + sizes[1], quick, yes, rng)
    )
