"""MITRE's STIX of ATT&CK as the compact rows that are kept. Only facts: ids, names, aliases, relations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from vizsla.errors import FeedError

SOURCES = ("mitre-attack", "mitre-mobile-attack", "mitre-ics-attack")
NOTICE = (
    "© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation. "
    "ATT&CK® is a registered trademark of The MITRE Corporation. Terms: https://attack.mitre.org/resources/terms-of-use/"
)
_SOFTWARE = ("malware", "tool")
_KINDS = ("attack-pattern", "intrusion-set", "campaign", *_SOFTWARE, "x-mitre-tactic", "x-mitre-data-component",
          "x-mitre-data-source")  # fmt: skip
Row = dict[str, Any]


def compact(objects: Iterable[Mapping[str, Any]], *, version: str = "") -> dict[str, Any]:
    """The rows that `attack.json` holds, of a bundle's objects. Raises FeedError where they are not of ATT&CK."""
    kept = [o for o in objects if isinstance(o, Mapping)]
    ids = {str(o["id"]): _external(o) for o in kept if o.get("type") in _KINDS and o.get("id")}
    by_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in kept:
        by_type[str(one.get("type", ""))].append(one)
    links = _links(by_type["relationship"], {str(o.get("id")): o for o in kept})
    techniques = [_technique(o, ids, links) for o in _live(by_type["attack-pattern"], ids)]
    if not techniques:
        raise FeedError(
            "no ATT&CK technique is in it", fix="give the STIX file that MITRE publishes: enterprise-attack.json"
        )
    tactics = {t["short"]: t for t in (_tactic(o, ids) for o in _live(by_type["x-mitre-tactic"], ids))}
    return {
        "notice": NOTICE,
        "version": version or _version(by_type["x-mitre-collection"]),
        "tactics": list(tactics.values()),
        "techniques": _sorted(techniques),
        "groups": _sorted(_group(o, ids, links) for o in _live(by_type["intrusion-set"], ids)),
        "software": _sorted(_group(o, ids, links) for kind in _SOFTWARE for o in _live(by_type[kind], ids)),
        "campaigns": _sorted(_group(o, ids, links) for o in _live(by_type["campaign"], ids)),
        "data_components": _sorted(_component(o, ids) for o in _live(by_type["x-mitre-data-component"], ids)),
        "revoked": dict(sorted(_revoked(by_type["attack-pattern"], ids, links).items())),
    }


def _external(of: Mapping[str, Any]) -> str:
    for reference in of.get("external_references") or ():
        if isinstance(reference, Mapping) and reference.get("source_name") in SOURCES and reference.get("external_id"):
            return str(reference["external_id"])
    return ""


def _live(of: Iterable[Mapping[str, Any]], ids: Mapping[str, str]) -> Iterable[Mapping[str, Any]]:
    seen: set[str] = set()
    for one in of:
        name = ids.get(str(one.get("id")), "")
        if not one.get("name") or one.get("revoked") or one.get("x_mitre_deprecated") or name in seen:
            continue
        if name or one.get("type") == "x-mitre-data-component":
            seen.add(name or str(one["id"]))
            yield one


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["id"], row["name"]))


Links = Mapping[str, Mapping[str, list[str]]]


def _links(relationships: Iterable[Mapping[str, Any]], objects: Mapping[str, Mapping[str, Any]]) -> Links:
    """Relation -> source's STIX id -> targets' STIX ids; 'detects' goes from the technique to data components."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in relationships:
        if one.get("revoked") or one.get("x_mitre_deprecated"):
            continue
        kind, source, target = (str(one.get(k, "")) for k in ("relationship_type", "source_ref", "target_ref"))
        if kind == "detects":
            found[kind][target] += _components(source, objects)
        else:
            found[kind][source].append(target)
    return found


def _components(detector: str, objects: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Data components that a detector needs: itself (up to ATT&CK 17), or those of a strategy's analytics."""
    if detector.startswith("x-mitre-data-component--"):
        return [detector]
    found = []
    for analytic in objects.get(detector, {}).get("x_mitre_analytic_refs") or ():
        for source in objects.get(str(analytic), {}).get("x_mitre_log_source_references") or ():
            found.append(str(source.get("x_mitre_data_component_ref", "")))
    return found


def _names(stix: Iterable[str], ids: Mapping[str, str], *prefixes: str) -> list[str]:
    return sorted({ids[s] for s in stix if ids.get(s) and s.startswith(prefixes)})


def _technique(of: Mapping[str, Any], ids: Mapping[str, str], links: Links) -> Row:
    phases = [str(p.get("phase_name")) for p in of.get("kill_chain_phases") or () if isinstance(p, Mapping)]
    detected = _names(links.get("detects", {}).get(str(of["id"]), ()), ids, "x-mitre-data-component")
    return {
        "id": ids[str(of["id"])],
        "name": str(of["name"]),
        "tactics": phases,
        "platforms": [str(p) for p in of.get("x_mitre_platforms") or ()],
        "data": detected,
    }


def _group(of: Mapping[str, Any], ids: Mapping[str, str], links: Links) -> Row:
    used = links.get("uses", {}).get(str(of["id"]), ())
    aliases = [*(of.get("aliases") or ()), *(of.get("x_mitre_aliases") or ())]
    row: Row = {
        "id": ids[str(of["id"])],
        "name": str(of["name"]),
        "aliases": sorted({str(a) for a in aliases} - {str(of["name"])}),
        "techniques": _names(used, ids, "attack-pattern"),
    }
    if of["type"] in _SOFTWARE:
        row["kind"] = of["type"]
    else:
        row["software"] = _names(used, ids, *_SOFTWARE)
    if of["type"] == "campaign":
        row["groups"] = _names(links.get("attributed-to", {}).get(str(of["id"]), ()), ids, "intrusion-set")
    return row


def _tactic(of: Mapping[str, Any], ids: Mapping[str, str]) -> Row:
    return {"id": ids[str(of["id"])], "name": str(of["name"]), "short": str(of.get("x_mitre_shortname", ""))}


def _component(of: Mapping[str, Any], ids: Mapping[str, str]) -> Row:
    return {"id": ids.get(str(of["id"]), ""), "name": str(of["name"])}


def _revoked(of: Iterable[Mapping[str, Any]], ids: Mapping[str, str], links: Links) -> dict[str, str]:
    """Ids that older reports use -> the id that took their place."""
    found = {}
    for one in of:
        targets = links.get("revoked-by", {}).get(str(one.get("id")), ())
        old = ids.get(str(one.get("id")), "")
        new = next((ids[t] for t in targets if ids.get(t)), "")
        if one.get("revoked") and old and new and old != new:
            found[old] = new
    return found


def _version(collections: Iterable[Mapping[str, Any]]) -> str:
    return max((str(c.get("x_mitre_version", "")) for c in collections), default="")
