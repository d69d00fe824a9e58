"""Looking at a lake by hand: what fills the views, what is rare, what happened, and what is covered. Arrow out."""

from vizsla.explore.coverage import coverage, survey, views_filled
from vizsla.explore.events import around, events
from vizsla.explore.query import query
from vizsla.explore.relation import view
from vizsla.explore.stack import stack

__all__ = ["around", "coverage", "events", "query", "stack", "survey", "view", "views_filled"]
