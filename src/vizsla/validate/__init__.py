"""Harmless imitations of techniques among a team's own events: what would this team, with these logs, see?"""
