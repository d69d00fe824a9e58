"""Sigma: known techniques as rules, matched on distinct values, told as evidence."""
