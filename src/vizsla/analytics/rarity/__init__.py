"""How rare what happened is: field by field, given who acted, against what a baseline held."""

from vizsla.analytic import Builtin

ANALYTIC = Builtin(
    name="rarity",
    family="one per kind of event (fields.yaml)",
    unit="a distinct pattern of a type of event, on a host, in an hour",
    doc="How rare an event's values are, given who acted: every table, every field, never-seen types of event too",
)
