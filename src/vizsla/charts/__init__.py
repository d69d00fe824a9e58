"""Every chart once, as Altair: for the notebook, the report and the page. One chart a file.

Charts take nouns and Arrow, never event text as a field name, title or expression: what a log says is data,
written with `visible`, and drawn as text. Altair is loaded when a chart is drawn.
"""

from vizsla.charts.drawing import svg
from vizsla.charts.ledger import evidence_ledger
from vizsla.charts.over_time import findings_over_time
from vizsla.charts.pictures import draw
from vizsla.charts.place_and_hour import host_hours
from vizsla.charts.scores import score_distribution
from vizsla.charts.traffic import traffic_by_peer
from vizsla.charts.tree import process_tree

__all__ = [
    "draw",
    "evidence_ledger",
    "findings_over_time",
    "host_hours",
    "process_tree",
    "score_distribution",
    "svg",
    "traffic_by_peer",
]
