"""The sentence that tells why a pair stands where it stands."""

from __future__ import annotations

from vizsla.beacon.bins import Floats
from vizsla.beacon.regular import Regularity
from vizsla.beacon.weigh import Known

DAY = 86_400.0


def every(seconds: float) -> str:
    """'every 4.2 minutes'."""
    for limit, size, word in ((90, 1, "s"), (5_400, 60, "minutes"), (1e18, 3600, "hours")):
        if seconds < limit:
            return f"every {seconds / size:.3g} {word}"
    return f"every {seconds:.3g} s"


def why(regular: Regularity, known: Known, parts: dict[str, Floats], row: int, visits: int) -> str:
    """One sentence with the numbers behind a pair's bits."""
    told = [
        f"{visits:,} visits {every(float(regular.period[row]))}, give or take {regular.jitter[row]:.0%}",
        f"{known.hosts[row]:,} of {known.of_hosts[row]:,} hosts reach it",
    ]
    if parts["new"][row] >= 0.3:
        told.append(f"it began {known.late[row] / DAY:.1f} days after its host was first seen")
    if known.alike[row] >= 0.8:
        told.append(f"{known.alike[row]:.0%} of visits send alike")
    if parts["scheduled"][row] < 0:
        told.append("a period that people write")
    if parts["inside"][row] < 0:
        told.append("an address inside")
    if parts["common"][row] < 0:
        told.append("a port of the network's housekeeping")
    if parts["stranger"][row] < 0:
        told.append("it comes from outside")
    return "; ".join(told)
