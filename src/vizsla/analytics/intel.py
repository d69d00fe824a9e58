"""Known indicators: events that threat intelligence met."""

from vizsla.analytic import Builtin

ANALYTIC = Builtin(
    name="intel",
    family="that of the events met",
    unit="an event and an indicator",
    doc="Known indicators: what threat intelligence meets (`vizsla intel add`, --intel), by confidence, age and feed",
    hits=True,
)
