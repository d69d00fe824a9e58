"""Models of sequences of steps: what follows what, how often each comes, and how surprising a session of them is.

Steps are 64-bit codes (`Sessions`), so that nothing here knows what they stand for. What is learnt are counts, which
merge by adding; probabilities are made from them when they are asked for. `docs/sequences-and-text.md` tells the whole.
"""
