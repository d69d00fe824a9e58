"""Zeek's records of flows: conn, ssl, http, dns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.frame import Column, Parts, text
from vizsla.simulate.people import SECOND, Host
from vizsla.simulate.tokens import Bound, strings, take

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_UID = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
URIS = {
    "page": ["/", "/<rand8>/<word>.html", "/assets/<hex8>.js", "/img/<hex16>.png", "/search?q=<word>+<word>&p=<n2>"],
    "update": [
        "/filestreamingservice/files/<guid>?P1=<n10>&P2=404&P3=2&P4=<b64>",
        "/msdownload/update/v3/static/trustedr/en/authrootstl.cab?<hex16>",
        "/d/msdownload/update/software/defu/2026/03/am_delta_<hex32><hex8>.exe",
    ],
    "ocsp": ["/MFEwTzBNMEswSTAJBgUrDgMCGgUABBT<b16>", "/<word>.crl", "/gts/gts1c3/<b16>"],
    "wsus": [
        "/ClientWebService/client.asmx",
        "/SimpleAuthWebService/SimpleAuth.asmx",
        "/Content/<HEX2>/<HEX32><HEX8>.cab",
    ],
    "wsman": ["/wsman?PSVersion=5.1.19041.4170", "/wsman"],
}
AGENTS = {
    "page": [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/123.0.0.0 Safari/537.36"
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


def conn_columns(
    ends: Mapping[str, Column],
    service: pa.Array | str,
    udp: NDArray[np.bool_],
    failed: NDArray[np.bool_],
    sent: Ints,
    received: Ints,
    lasts: Floats,
    inside: NDArray[np.bool_],
    rng: np.random.Generator,
) -> dict[str, Column]:
    """The columns of Zeek's conn.log, but for ts."""
    count = len(sent)
    ragged = rng.random(count)
    state = np.where(failed, 0, np.where(udp, 1, np.where(ragged < 0.8, 1, np.where(ragged < 0.92, 2, 3))))
    history = np.where(failed, np.where(udp, 0, 1), np.where(udp, 2, state + 2))
    packets = [np.maximum(bytes_ // 900 + np.where(udp, 1, 5), 1) for bytes_ in (sent, received)]
    overhead = np.where(udp, 28, 40)
    return dict(ends) | {
        "proto": take(strings(["tcp", "udp"]), udp.astype(np.int64)),
        "service": service,
        "duration": decimals(lasts),
        "orig_bytes": text(sent),
        "resp_bytes": text(received),
        "conn_state": take(strings(["S0", "SF", "RSTO", "RSTR"]), state),
        "local_orig": "T",
        "local_resp": take(strings(["F", "T"]), inside.astype(np.int64)),
        "missed_bytes": "0",
        "history": take(strings(["D", "S", "Dd", "ShADadFf", "ShADadR", "ShADadr"]), history),
        "orig_pkts": text(packets[0]),
        "orig_ip_bytes": text(sent + packets[0] * overhead),
        "resp_pkts": text(np.where(failed, 0, packets[1])),
        "resp_ip_bytes": text(np.where(failed, 0, received + packets[1] * overhead)),
        "tunnel_parents": None,
    }


def _at(columns: Mapping[str, Column], where: pa.Array) -> dict[str, Column]:
    return {n: c.take(where) if isinstance(c, pa.Array) else c for n, c in columns.items()}


def add_ssl(
    parts: Parts, ends: Mapping[str, Column], time: Ints, named: pa.Array, rows: Ints, rng: np.random.Generator
) -> None:
    """ssl.log of the flows `rows`."""
    where, count = pa.array(rows), len(rows)
    pick = (rng.random(count) ** 2 * 3).astype(np.int64)
    prints = strings(
        [
            "773906b0efdefa24a7f2b8eb6985bf37",
            "cd08e31494f9531f560d64c695473da9",
            "28a2c9bd18a11de089ef85a160da29e4",
            "3b5074b1b5d032e5620f69f9f700ff0e",
        ]
    )
    replies = strings(
        ["f4febc55ea12b31ae17cfb7e614afda8", "eb1d94daa7e0344597e756a1fb6e7054", "15af977ce25de452b96affa2addb1036"]
    )
    parts.add(
        "zeek_ssl",
        "",
        time[rows] + 24_000,
        _at(ends, where)
        | {
            "version": take(strings(["TLSv13", "TLSv13", "TLSv12"]), pick),
            "cipher": take(strings(list(CIPHERS)), pick),
            "curve": take(strings(["x25519", "secp256r1"]), (rng.random(count) < 0.3).astype(np.int64)),
            "server_name": named.take(where),
            "resumed": take(strings(["F", "T"]), (rng.random(count) < 0.35).astype(np.int64)),
            "last_alert": None,
            "next_protocol": take(strings(["h2", "http/1.1"]), (rng.random(count) < 0.25).astype(np.int64)),
            "established": "T",
            "ssl_history": take(strings(["CsiI", "CsxkutnGVI"]), (pick == 2).astype(np.int64)),
            "subject": None,
            "issuer": None,
            "validation_status": None,
            "ja3": take(prints, (rng.random(count) ** 1.7 * 4).astype(np.int64)),
            "ja3s": take(replies, pick),
        },
    )


def add_http(
    parts: Parts,
    web: Mapping[str, Bound],
    ends: Mapping[str, Column],
    time: Ints,
    named: pa.Array,
    kinds: Ints,
    sent: Ints,
    received: Ints,
    rng: np.random.Generator,
) -> None:
    """http.log of flows; `kinds`: which of `URIS`, -1 for flows that are not plain HTTP."""
    for number, kind in enumerate(URIS):
        mine = np.flatnonzero(kinds == number)
        count = len(mine)
        if not count:
            continue
        where, table = pa.array(mine), web[kind]
        pick = (rng.random(count) ** 1.4 * len(URIS[kind])).astype(np.int64)
        method = "POST" if kind in ("wsman", "wsus") else "GET"
        status = np.where(rng.random(count) < 0.93, 0, np.where(rng.random(count) < 0.6, 1, 2))
        parts.add(
            "zeek_http",
            "",
            time[mine] + 18_000,
            _at(ends, where)
            | {
                "trans_depth": "1",
                "method": method,
                "host": named.take(where),
                "uri": table.render(pick, rng),
                "referrer": None,
                "version": "1.1",
                "user_agent": take(strings(AGENTS[kind]), (rng.random(count) * len(AGENTS[kind])).astype(np.int64)),
                "origin": None,
                "request_body_len": text(np.where(method == "POST", sent[mine], 0)),
                "response_body_len": text(received[mine]),
                "status_code": take(strings(["200", "304", "404"]), status),
                "status_msg": take(strings(["OK", "Not Modified", "Not Found"]), status),
                "info_code": None,
                "info_msg": None,
                "tags": None,
                "username": None,
                "password": None,
                "proxied": None,
                "orig_fuids": None,
                "orig_filenames": None,
                "orig_mime_types": None,
                "resp_fuids": uids(count, rng, "F"),
                "resp_filenames": None,
                "resp_mime_types": MIMES[kind] if MIMES[kind] != "-" else None,
            },
        )


def add_dns(
    parts: Parts,
    host: Host,
    dc: str,
    time: Ints,
    names: pa.Array,
    replies: pa.Array,
    lost: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """dns.log of queries, and the conn.log of the packets that carried them."""
    count = len(time)
    kind = np.where(rng.random(count) < 0.75, 0, 1)
    kind = np.where(pc.ends_with(names, "in-addr.arpa").to_numpy(zero_copy_only=False), 2, kind)
    kind = np.where(pc.starts_with(names, "_").to_numpy(zero_copy_only=False), 3, kind)
    ends: dict[str, Column] = {
        "uid": uids(count, rng),
        "id.orig_h": host.address,
        "id.orig_p": text(rng.integers(49152, 65535, count)),
        "id.resp_h": dc,
        "id.resp_p": "53",
    }
    quick = rng.exponential(0.012, count) + 0.0003
    flags = take(
        strings(["F", "T"]), pc.ends_with(names, "larkfield.example").to_numpy(zero_copy_only=False).astype(np.int64)
    )
    parts.add(
        "zeek_dns",
        "",
        time,
        ends
        | {
            "proto": "udp",
            "trans_id": text(rng.integers(1, 65535, count)),
            "rtt": decimals(quick),
            "query": names,
            "qclass": "1",
            "qclass_name": "C_INTERNET",
            "qtype": take(strings(["1", "28", "12", "33"]), kind),
            "qtype_name": take(strings(["A", "AAAA", "PTR", "SRV"]), kind),
            "rcode": take(strings(["0", "3"]), lost.astype(np.int64)),
            "rcode_name": take(strings(["NOERROR", "NXDOMAIN"]), lost.astype(np.int64)),
            "AA": flags,
            "TC": "F",
            "RD": "T",
            "RA": "T",
            "Z": "0",
            "answers": replies,
            "TTLs": pc.if_else(
                pc.is_null(replies),
                pa.scalar(None, pa.string()),
                pc.binary_join_element_wise(text(rng.integers(5, 3600, count)), "000000", "."),
            ),
            "rejected": "F",
        },
    )
    sizes, yes = rng.integers(28, 70, (2, count)), np.ones(count, bool)
    parts.add(
        "zeek_conn", "", time, conn_columns(ends, "dns", yes, ~yes, sizes[0], sizes[0] + sizes[1], quick, yes, rng)
    )
