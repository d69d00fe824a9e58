"""Threat intelligence: indicators in, kept, matched and weighed."""
