"""How much, and when: counts, amounts and levels of entities by the hour, against what is usual for them.

`measures.yaml` says what is counted; `counting` counts it with one group-by for all measures of a view and an entity;
`cells` holds the hours; `counts` (negative binomial), `amounts` (Student's t), `hours` (times of the week) and
`silence` say how unusual an hour is, in bits; `words` explain it. `analytics/volume.py` puts them together.
"""
