"""Known techniques: events that Sigma rules met."""

from vizsla.analytic import Builtin

ANALYTIC = Builtin(
    name="sigma",
    family="that of the events met",
    unit="an event and a rule",
    doc="Known techniques: what Sigma rules meet (`vizsla rules add`, --rules), by level and by how usual that is",
    hits=True,
)
