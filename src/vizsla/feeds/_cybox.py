"""CybOX observables, as alternatives that are conditions of STIX patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from vizsla.feeds._conditions import joined, observed, path
from vizsla.feeds._xml import Node
from vizsla.intel.pattern import Observation
from vizsla.intel.pattern import Path as ObjectPath

_DEEPEST = 20  # observables in observables
_DELIMITER = "##comma##"
_CATEGORIES = {
    "ipv4-addr": "ipv4-addr:value", "ipv6-addr": "ipv6-addr:value", "cidr": "ipv4-addr:value",
    "e-mail": "email-addr:value", "asn": "autonomous-system:number",
}  # fmt: skip
_HASHES = {
    "md5": "MD5", "sha1": "'SHA-1'", "sha224": "'SHA-224'", "sha256": "'SHA-256'", "sha384": "'SHA-384'",
    "sha512": "'SHA-512'", "ssdeep": "SSDEEP",
}  # fmt: skip
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
# Elements by the type of the object (without 'ObjectType') and their local name.
_FIELDS = {
    ("DomainName", "Value"): "domain-name:value",
    ("Hostname", "Hostname_Value"): "domain-name:value",
    ("URI", "Value"): "url:value",
    ("Link", "Value"): "url:value",
    ("Mutex", "Name"): "mutex:name",
    ("WindowsMutex", "Name"): "mutex:name",
    ("Pipe", "Name"): "x-pipe:name",
    ("WindowsPipe", "Name"): "x-pipe:name",
    ("WindowsService", "Service_Name"): "process:extensions.'windows-service-ext'.service_name",
    ("Process", "Name"): "process:name",
    ("WindowsProcess", "Name"): "process:name",
    ("AS", "Number"): "autonomous-system:number",
    ("UserAccount", "Username"): "user-account:account_login",
    ("X509Certificate", "Serial_Number"): "x509-certificate:serial_number",
    ("Product", "Product"): "software:name",
}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to see it. `context`: it only goes with something better, and means nothing alone."""

    observation: Observation
    context: bool = False


def alternatives(node: Node, known: Mapping[str, Node], depth: int = 0) -> Iterator[Alternative | str]:
    """The alternatives of an observable; a reason for each part that cannot be used.

    `known`: observables by id, for those that refer to them.
    """
    if depth > _DEEPEST:
        yield f"observables lie more than {_DEEPEST} deep"
        return
    node = known.get(node.attributes.get("idref", ""), node)
    composed = node.child("Observable_Composition")
    if composed is not None:
        inner = [child for child in composed.children if child.name == "Observable"]
        if composed.attributes.get("operator", "OR").upper() == "OR":
            for child in inner:
                yield from alternatives(child, known, depth + 1)
        else:
            yield _together([list(alternatives(child, known, depth + 1)) for child in inner])
        return
    held = node.child("Object")
    properties = held.child("Properties") if held else None
    if held is None or properties is None:
        yield "the observable describes no object" if node.name == "Observable" else "no object"
        return
    yield from _object(properties)
    for related in held.all("Related_Object"):
        inner_properties = related.child("Properties")
        if inner_properties is not None:
            yield from _object(inner_properties)


def _together(parts: list[list[Alternative | str]]) -> Alternative | str:
    """What must be seen together, as one alternative; a reason where a part cannot be used."""
    observations: list[Observation] = []
    for part in parts:
        for found in part:
            if isinstance(found, str):
                return f"of conditions that belong together one cannot be used: {found}"
        usable = [found.observation for found in part if isinstance(found, Alternative) and not found.context]
        if usable:
            observations.append(joined("OR", usable))
    return Alternative(joined("AND", observations)) if observations else "nothing that must be seen together"


def _object(node: Node) -> Iterator[Alternative | str]:
    type = node.attributes.get("type", "").rpartition(":")[2].removesuffix("ObjectType")
    count = 0
    for where, one, context in _parts(type, node):
        count += 1
        for value in one.text.split(one.attributes.get("delimiter", _DELIMITER)):
            try:
                yield Alternative(observed(where, one.attributes.get("condition", "Equals"), value.strip()), context)
            except ValueError as error:
                yield str(error)
    if not count:
        yield f"no log that is read holds what an object of type {type[:60] or 'unknown'} says"


def _parts(type: str, node: Node) -> Iterator[tuple[ObjectPath, Node, bool]]:
    """Object paths and the elements with their values."""
    if type == "Address":
        where = _CATEGORIES.get(node.attributes.get("category", "ipv4-addr"))
        if where:
            yield from ((_path(where), one, False) for one in node.all("Address_Value"))
    elif type.endswith("File"):
        yield from _file(node)
    elif type == "EmailMessage":
        for header in node.all("From", "Sender", "Reply_To"):
            yield from ((_path("email-message:from_ref.value"), one, False) for one in header.all("Address_Value"))
    elif type == "WindowsRegistryKey":
        yield from _registry(node)
    elif type in ("HTTPSession", "NetworkConnection", "SocketAddress", "Port", "DNSQuery", "DNSRecord"):
        yield from _network(node)
    else:
        for one in node.children:
            where = _FIELDS.get((type, one.name))
            if where and one.text:
                yield _path(where), one, False


def _file(node: Node) -> Iterator[tuple[ObjectPath, Node, bool]]:
    hashed = False
    for one in node.all("Hash"):
        value = next((held for held in one.all("Simple_Hash_Value", "Fuzzy_Hash_Value") if held.text), None)
        if value is None:
            continue
        word = one.first("Type").lower().replace("-", "").replace("_", "")
        known = _HASHES.get(word if word in _HASHES else _BY_LENGTH.get(len(value.text), ""))
        if known:
            hashed = True
            yield _path(f"file:hashes.{known}"), value, False
    for name, where in (("Full_Path", "file:path"), ("File_Path", "file:path"), ("File_Name", "file:name")):
        yield from ((_path(where), one, hashed) for one in node.children if one.name == name and one.text)


def _registry(node: Node) -> Iterator[tuple[ObjectPath, Node, bool]]:
    key, hive = node.child("Key"), node.child("Hive")
    if key is None or not key.text:
        return
    whole = f"{hive.text}\\{key.text}" if hive is not None and hive.text else key.text
    yield _path("windows-registry-key:key"), Node("Key", key.attributes, whole), False


def _network(node: Node) -> Iterator[tuple[ObjectPath, Node, bool]]:
    agent = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
    for name, where in (
        ("User_Agent", agent),
        ("Address_Value", "ipv4-addr:value"),
        ("Hostname_Value", "domain-name:value"),
        ("QName", "domain-name:value"),
        ("Domain_Name", "domain-name:value"),
    ):
        for one in node.all(name):
            value = one if one.text else next((held for held in one.all("Value") if held.text), one)
            if value.text:
                yield _path(where), value, False


@lru_cache(maxsize=64)
def _path(text: str) -> ObjectPath:
    return path(text)
