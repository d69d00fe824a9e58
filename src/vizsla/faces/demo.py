"""The demo: a simulated company is built, learnt, and hunted in; the truth says where the intruder stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vizsla.faces.words import counted
from vizsla.nouns import HuntResult

if TYPE_CHECKING:
    from vizsla.simulate import Rank

NAME = "quiet"
REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Demo:
    """What was found, and what the truth says of it, in lines."""

    result: HuntResult
    lines: tuple[str, ...]


def introduction(hosts: int, days: int, *, intruder: bool) -> tuple[str, ...]:
    """What is about to happen, for someone who sees it for the first time."""
    there = "In the later ones an intruder is at work." if intruder else "There is no intruder in them."
    return (
        f"A made-up company of {counted(hosts, 'computer')} writes {counted(days, 'day')} of Windows and Zeek logs.",
        f"Vizsla learns what is normal from the first days, then hunts in the others. {there}",
        "It is not told who or where: what follows is its own ranking, and then what the truth says of it.",
    )


def run(
    folder: Path,
    *,
    hosts: int,
    days: int,
    seed: int,
    intruder: bool,
    progress: Callable[[int, int, str], None] | None = None,
) -> Demo:
    """Write the company's logs below `folder`, learn its quiet days, hunt in the later ones, write the report.

    Raises UsageError where the folder is not empty.
    """
    from vizsla.faces import python
    from vizsla.reports.html import page
    from vizsla.simulate import demo, rank_of

    def building(done: int, total: int) -> None:
        if progress:
            progress(done, total, "building the company")

    truth = demo(folder, hosts, days, seed, intrusion=intruder, progress=building)
    quiet, lake = folder / "quiet-lake", folder / "lake"
    learnt = python.learn(folder / "baseline", quiet, name=NAME, progress=progress)
    home = python.open_lake(quiet).room("baselines") / NAME / str(learnt.baseline.version)
    result = python.hunt(folder / "hunt", lake, baseline=str(home), progress=progress)
    (folder / REPORT).write_bytes(page(result, title="Vizsla: the demo").encode("utf-8", "backslashreplace"))
    lines = (
        *_counted(hosts, result.run.hosts),
        *_said(rank_of(result.findings, truth) if intruder else None),
        f"Report: {folder / REPORT}",
        f"Look closer: vizsla show 1 --lake {lake}",
    )
    return Demo(result, lines)


def _counted(computers: int, hosts: int) -> list[str]:
    """Why there are more hosts than computers."""
    if hosts <= computers:
        return []
    return [
        f"The {computers} computers count as {hosts} hosts: Windows logs name a computer, Zeek's its address, and each "
        "has a baseline of its own."
    ]


def _said(rank: Rank | None) -> list[str]:
    """What the truth says: where the intruder stands, in all and by stage."""
    if rank is None:
        return ["There is no intruder in this company: whatever stands above is noise."]
    if rank.first is None:
        return [f"The intruder is in none of the {counted(rank.total, 'finding')} shown: this hunt missed it."]
    told = [f"The intruder stands at rank {rank.first} of {counted(rank.total, 'finding')}."]
    for stage, place in rank.stages.items():
        told.append(f"  {stage}: {f'rank {place}' if place is not None else 'not found'}")
    return told
