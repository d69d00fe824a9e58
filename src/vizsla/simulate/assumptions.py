"""`company.yaml`, checked and turned into the number tables that the generator draws from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vizsla.errors import UsageError
from vizsla.simulate.tokens import Pools, Templates, sites, zipf_index

FILE = Path(__file__).with_name("company.yaml")
ROLES = ("office", "developer", "admin", "dc", "file", "web", "db")
SERVERS = ("dc", "file", "web", "db")
CONTEXT = (
    "user",
    "host",
    "sid",
    "admin",
    "adminsid",
    "filesrv",
    "dc",
    "hostguid",
    "chrome_ver",
    "edge_ver",
    "teams_ver",
    "agent_ver",
    "vscode_ver",
    "os_build",
    "defender_ver",
)
WHENS = ("boot", "session", "work", "on", "logon", "startup", "every", "child", "remote", "night")
ACTS = ("load", "file", "delete", "reg", "pipe", "access")
ACCOUNTS = ("user", "system", "local", "network", "admin", "svc", "parent")
USER, SYSTEM, LOCAL, NETWORK, ADMIN, SVC, PARENT = range(7)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@lru_cache(maxsize=1)
def assumptions() -> Mapping[str, Any]:
    """The file as it stands."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with FILE.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)  # type: ignore[no-any-return]  # noqa: S506 - a safe loader


@dataclass(frozen=True, slots=True)
class Lists:
    """Per program a run of templates: `start`, `size` in one table."""

    start: Ints
    size: Ints
    table: Templates

    def draw(self, programs: Ints, rng: np.random.Generator) -> Ints:
        """A template for each program, the first of a list more often than the last."""
        return self.start[programs] + (rng.random(len(programs)) ** 1.6 * self.size[programs]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of `company.yaml` as arrays; a program is its row number."""

    names: tuple[str, ...]
    index: Mapping[str, int]
    when: tuple[str, ...]
    up: Ints  # the parent program, -1 for none
    account: Ints
    rate: Floats  # program x role
    life: Floats  # median seconds; 0: stays, -1: as long as its parent
    patch: Floats  # further starts on a patch day
    rollout: Floats
    share: Floats
    acts: Mapping[str, Floats]  # mean number of each kind of act
    integrity: tuple[str, ...]
    period: Floats
    jitter: Floats
    images: Templates
    commands: Lists
    loads: Lists
    files: Lists
    registry: Lists  # targets
    details: Templates  # row by row beside `registry`
    pipes: Lists
    tasks: Lists
    scripts: Lists
    access_start: Ints
    access_size: Ints
    access_target: Ints
    access_mask: tuple[str, ...]
    net_start: Ints
    net_size: Ints
    net_group: Ints
    net_rate: Floats
    period_net: Ints
    edges: Mapping[int, tuple[Ints, Floats]]  # parent program -> children and their rates
    sign: tuple[Mapping[str, str], ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where programs talk to: groups of names, as arrays."""

    groups: tuple[str, ...]
    index: Mapping[str, int]
    names: tuple[str, ...]
    start: Ints
    size: Ints
    ranks: tuple[Ints, ...]  # per group a table of ranks in Zipf's frequencies
    port: Ints
    udp: NDArray[np.bool_]
    out: Floats
    into: Floats
    life: Floats
    http: tuple[str, ...]
    service: tuple[str, ...]
    internal: tuple[str, ...]  # a server role, 'any', or ''
    cdn: Floats


def _lists(rows: Sequence[Sequence[str]], pools: Pools) -> Lists:
    sizes = np.array([len(r) for r in rows], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    flat = [text for row in rows for text in row] or [""]
    return Lists(starts, sizes, Templates(flat, pools, CONTEXT))


def _rates(spec: Mapping[str, Any]) -> list[float]:
    rate, roles = spec.get("rate", 1.0), spec.get("roles", ROLES)
    by_role = rate if isinstance(rate, dict) else dict.fromkeys(ROLES, rate)
    people_only = spec["when"] in ("work", "session", "logon")
    # a rate given for people's machines alone does not hold for servers, unless the servers are named
    return [
        float(by_role.get(role, 0)) if role in roles and not (people_only and role in SERVERS) else 0.0
        for role in ROLES
    ]


def _hashes(name: str, image: str) -> str:
    digest = hashlib.sha512(f"{name if 'child' not in name else ''}{image}".encode()).hexdigest().upper()
    return f"SHA1={digest[:40]},MD5={digest[40:72]},SHA256={digest[:64]},IMPHASH={digest[72:104]}"


@lru_cache(maxsize=4)
def compiled(seed: int, hosts: tuple[str, ...], users: tuple[str, ...]) -> tuple[Programs, Destinations, Pools]:
    """Programs, destinations and token pools; the pools' random tokens follow the seed.

    `hosts` and `users` of the company are tokens too, a few of them drawn much more often than the others.
    """
    data = assumptions()
    pools = Pools(data["words"], seed)
    for kind, values in (("hostname", hosts), ("username", users)):
        pools.add(kind, [values[i] for i in zipf_index(len(values), 0.8, 4096)])
    destinations = _destinations(data)
    return _programs(data, pools, destinations), destinations, pools


def _check(specs: Mapping[str, Mapping[str, Any]], destinations: Destinations) -> None:
    for name, spec in specs.items():
        unknown = [
            n for n in (spec.get("up", name), *(a.split("|")[0] for a in spec.get("access", ()))) if n not in specs
        ]
        unknown += [n for n in spec.get("net", {}) if n not in destinations.index]
        if spec["when"] not in WHENS or unknown:
            what = f"program {name}: unknown {', '.join(unknown) or spec['when']}"
            raise UsageError(
                what, where=str(FILE), fix="name a program, a destination or a time that stands in the file"
            )


def _edges(specs: Mapping[str, Mapping[str, Any]], index: Mapping[str, int]) -> dict[int, tuple[Ints, Floats]]:
    edges: dict[int, tuple[Ints, Floats]] = {}
    for name in specs:
        below = [
            (index[n], float(s.get("rate", 1))) for n, s in specs.items() if s["when"] == "child" and s["up"] == name
        ]
        if below:
            edges[index[name]] = (np.array([b[0] for b in below]), np.array([b[1] for b in below]))
    return edges


def _programs(data: Mapping[str, Any], pools: Pools, destinations: Destinations) -> Programs:
    specs: Mapping[str, Mapping[str, Any]] = data["programs"]
    _check(specs, destinations)
    names = tuple(specs)
    index = {name: i for i, name in enumerate(names)}
    rows = list(specs.values())

    def numbers(key: str, default: float) -> Floats:
        return np.array([float(s.get(key, default)) for s in rows])

    def texts(key: str, extra: Sequence[str] = ()) -> Lists:
        return _lists([[*s.get(key, ()), *extra] for s in rows], pools)

    registry = [[r.partition("|") for r in s.get("reg", ())] for s in rows]
    accesses = [[a.partition("|") for a in s.get("access", ())] for s in rows]
    nets = [list(s.get("net", {}).items()) for s in rows]
    signers = data["signers"]
    access_size = np.array([len(a) for a in accesses], np.int64)
    net_size = np.array([len(n) for n in nets], np.int64)
    every = [s.get("every", {}) for s in rows]
    return Programs(
        names=names,
        index=index,
        when=tuple(s["when"] for s in rows),
        up=np.array([index[s["up"]] if "up" in s else -1 for s in rows], np.int64),
        account=np.array([ACCOUNTS.index(s.get("as", "parent")) for s in rows], np.int64),
        rate=np.array([_rates(s) for s in rows]),
        life=numbers("life", 0),
        patch=numbers("patch", 0),
        rollout=numbers("rollout", 0),
        share=numbers("share", 1),
        acts={act: np.array([float(s.get("n", {}).get(act, 0)) for s in rows]) for act in ACTS},
        integrity=tuple(s.get("il", "") for s in rows),
        period=np.array([float(e.get("seconds", 0)) for e in every]),
        jitter=np.array([float(e.get("jitter", 0)) for e in every]),
        images=Templates([s["img"] for s in rows], pools, CONTEXT),
        commands=texts("cmd"),
        loads=texts("load", data["common_loads"]),
        files=texts("file"),
        registry=_lists([[r[0] for r in row] for row in registry], pools),
        details=Templates([r[2] for row in registry for r in row], pools, CONTEXT),
        pipes=texts("pipe"),
        tasks=texts("task"),
        scripts=texts("script"),
        access_start=np.concatenate([[0], np.cumsum(access_size)[:-1]]).astype(np.int64),
        access_size=access_size,
        access_target=np.array([index[a[0]] for row in accesses for a in row], np.int64),
        access_mask=tuple(a[2] for row in accesses for a in row),
        net_start=np.concatenate([[0], np.cumsum(net_size)[:-1]]).astype(np.int64),
        net_size=net_size,
        net_group=np.array([destinations.index[g] for n in nets for g, _ in n], np.int64),
        net_rate=np.array([float(r) for n in nets for _, r in n]),
        period_net=np.array([destinations.index[e["net"]] if "net" in e else -1 for e in every], np.int64),
        edges=_edges(specs, index),
        sign=tuple(signers[s.get("sig", "ms")] for s in rows),
        hashes=tuple(_hashes("" if s.get("sig", "ms") == "ms" else str(s.get("sig")), s["img"]) for s in rows),
    )


def _destinations(data: Mapping[str, Any]) -> Destinations:
    specs: Mapping[str, Mapping[str, Any]] = data["destinations"]
    names: list[str] = []
    start, size, ranks = [], [], []
    for spec in specs.values():
        own = list(spec.get("names", ()))
        if "generated" in spec:
            own = sites(data["words"], 3300)[: spec["generated"]]
        start.append(len(names))
        size.append(max(len(own), 1))
        ranks.append(zipf_index(max(len(own), 1), float(spec.get("zipf", 0.0))))
        names += own or [str(spec.get("name", ""))]
    rows = list(specs.values())

    def numbers(key: str, default: float) -> Floats:
        return np.array([float(s.get(key, default)) for s in rows])

    return Destinations(
        groups=tuple(specs),
        index={name: i for i, name in enumerate(specs)},
        names=tuple(names),
        start=np.array(start, np.int64),
        size=np.array(size, np.int64),
        ranks=tuple(ranks),
        port=np.array([int(s["port"]) for s in rows], np.int64),
        udp=np.array([s.get("proto") == "udp" for s in rows]),
        out=numbers("out", 500),
        into=numbers("in", 500),
        life=numbers("life", 1),
        http=tuple(s.get("http", "") for s in rows),
        service=tuple(s.get("service", "") for s in rows),
        internal=tuple(s.get("internal", "") for s in rows),
        cdn=numbers("cdn", 0),
    )
