"""Models of texts that were written to deceive or to hide: names, domains and command lines.

What is usual is counted in the baseline; what everybody knows of Windows stands in `system.yaml`, as counts like any
others. All work on a text is bounded by its first characters. `docs/sequences-and-text.md` tells the whole.
"""
