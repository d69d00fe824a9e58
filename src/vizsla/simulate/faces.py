"""How a host-day's processes read: images, command lines, GUIDs, users, versions and hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import ACCOUNTS, ADMIN, Programs, assumptions
from vizsla.simulate.frame import text
from vizsla.simulate.people import SECOND, Host, generator
from vizsla.simulate.processes import Instances
from vizsla.simulate.tokens import Bound, hex4, strings, take

Ints = NDArray[np.int64]
PIPES_SESSION = {"system": "0", "local": "0", "network": "0", "svc": "0", "user": "1", "admin": "2", "parent": "0"}


@dataclass(slots=True)
class Texts:
    """All templates as they read on one host with one set of versions."""

    images: Bound
    image: pa.Array  # per program
    commands: Bound
    files: Bound
    registry: Bound
    details: Bound
    pipes: Bound
    tasks: Bound
    scripts: Bound
    loads: Bound
    version: pa.Array
    description: pa.Array
    product: pa.Array
    company: pa.Array
    original: pa.Array
    hashes: pa.Array
    load_hashes: pa.Array
    load_original: pa.Array


class Wardrobe:
    """Binds templates to hosts, keeping the hosts used last."""

    def __init__(self, programs: Programs, servers: Mapping[str, str], keep: int = 48) -> None:
        self.programs, self.servers = programs, servers
        self._texts = lru_cache(maxsize=keep)(self._bind)
        self._hosts: dict[int, Host] = {}

    def texts(self, host: Host, versions: Mapping[str, str]) -> Texts:
        self._hosts[host.number] = host
        return self._texts(host.number, tuple(versions.items()))

    def _bind(self, number: int, versions: tuple[tuple[str, str], ...]) -> Texts:
        host, programs = self._hosts[number], self.programs
        context = {
            "user": host.user,
            "host": host.name,
            "sid": host.sid,
            "admin": host.admin,
            "adminsid": host.admin_sid,
            "hostguid": host.guid,
            **self.servers,
            **dict(versions),
        }
        image = programs.images.bind(context).columns[0]
        sign = programs.sign
        shown = [_fill(str(s["version"]), context) for s in sign]
        names = [i.rsplit("\\", 1)[-1] for i in image.to_pylist()]
        loads = programs.loads.table.bind(context)
        libraries = ["".join(s) for s in programs.loads.table.segments]
        build = context["os_build"]
        return Texts(
            images=programs.images.bind(context),
            image=image,
            commands=programs.commands.table.bind(context),
            files=programs.files.table.bind(context),
            registry=programs.registry.table.bind(context),
            details=programs.details.bind(context),
            pipes=programs.pipes.table.bind(context),
            tasks=programs.tasks.table.bind(context),
            scripts=programs.scripts.table.bind(context),
            loads=loads,
            version=strings(shown),
            description=strings([n.rsplit(".", 1)[0] for n in names]),
            product=strings([s["product"] for s in sign]),
            company=strings([s["company"] for s in sign]),
            original=strings(names),
            hashes=strings([image_hashes(f"{n.lower()}|{v}") for n, v in zip(names, shown, strict=True)]),
            load_hashes=strings([image_hashes(f"{n.lower()}|{build}") for n in libraries]),
            load_original=strings([n.rsplit("\\", 1)[-1] for n in libraries]),
        )


def _fill(pattern: str, context: Mapping[str, str]) -> str:
    return context[pattern[1:-1]] if pattern.startswith("<") else pattern


@lru_cache(maxsize=8192)
def image_hashes(what: str) -> str:
    """The hashes of a file, as Sysmon writes them; made up from its name and version."""
    digest = hashlib.sha512(what.encode()).hexdigest().upper()
    return f"SHA1={digest[:40]},MD5={digest[40:72]},SHA256={digest[64:128]},IMPHASH={digest[8:40]}"


@dataclass(slots=True)
class Faces:
    """Texts of the processes of a host-day, one row per process and a last one for the System process."""

    image: pa.Array
    command: pa.Array
    guid: pa.Array
    pid: Ints
    user: pa.Array
    parent: Ints  # rows; the System process where the parent is not known


def process_guid(machine: str, time: Ints, sequence: Ints) -> pa.Array:
    """Sysmon's process GUIDs: machine, start in seconds, and a number."""
    seconds, table = time // SECOND, hex4()
    return pc.binary_join_element_wise(
        machine,
        take(table, seconds & 0xFFFF),
        take(table, (seconds >> 16) & 0xFFFF),
        take(table, sequence & 0xFFFF),
        "000000000B00",
        "-",
    )


def account_names(host: Host) -> pa.Array:
    """`DOMAIN\\name` by account number."""
    domain = assumptions()["domain"]["netbios"]
    return strings(
        [
            f"{domain}\\{host.user}",
            "NT AUTHORITY\\SYSTEM",
            "NT AUTHORITY\\LOCAL SERVICE",
            "NT AUTHORITY\\NETWORK SERVICE",
            f"{domain}\\{host.admin}",
            f"{domain}\\{host.user}",
        ]
    )


def account_sids(host: Host) -> pa.Array:
    """SIDs by account number."""
    return strings([host.sid, "S-1-5-18", "S-1-5-19", "S-1-5-20", host.admin_sid, host.sid])


def integrity(programs: Programs, table: Instances) -> pa.Array:
    """Sysmon's integrity level of each process."""
    by_account = ["Medium", "System", "System", "System", "High", "High"]
    level = take(strings(by_account), table.account)
    special = strings(list(programs.integrity))
    own = take(special, table.program)
    return pc.if_else(pc.equal(own, ""), level, own)


def sessions(table: Instances) -> pa.Array:
    """Terminal session numbers: 0 for services, 1 for the user, 2 for a remote administrator."""
    return take(strings([PIPES_SESSION[a] for a in ACCOUNTS[: ADMIN + 2]]), table.account)


def faces(
    host: Host,
    programs: Programs,
    texts: Texts,
    table: Instances,
    boot: tuple[int, int],
    residents: int,
    seed: int,
    rng: np.random.Generator,
) -> Faces:
    """Render the processes of a host-day. `boot`: day and time; residents read the same on every day of a boot."""
    lists, rows = programs.commands, table.program
    steady = generator(seed, 4, host.number, boot[0] + 100_000)
    command = pa.concat_arrays(
        [
            texts.commands.render(lists.draw(rows[:residents], steady), steady),
            texts.commands.render(lists.draw(rows[residents:], rng), rng),
            strings([""]),
        ]
    )
    image = pa.concat_arrays([take(texts.image, rows), strings(["System"])])
    time, sequence = np.append(table.time, boot[1]), np.append(table.sequence, 1)
    return Faces(
        image=image,
        command=command,
        guid=process_guid(host.machine, time, sequence),
        pid=np.append(table.pid, 4),
        user=pa.concat_arrays([take(account_names(host), table.account), strings(["NT AUTHORITY\\SYSTEM"])]),
        parent=np.where(table.parent < 0, len(table), table.parent),
    )


def pids(values: Ints) -> pa.Array:
    """Process ids as Sysmon writes them."""
    return text(values)
