"""Names that people make and names that are drawn: told apart, bounded, and learnt from counts that merge."""

from __future__ import annotations

import random
import string
import time

import pytest

from vizsla.text.characters import ALPHABET, LONGEST, Characters, counted, words
from vizsla.text.registered import registered

MADE = ("windowsupdate", "cloudflare", "stackoverflow", "deutschebank", "searchindexer", "instagram", "bundesregierung")


def drawn(count: int, length: int, letters: str, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choice(letters) for _ in range(length)) for _ in range(count)]


@pytest.mark.parametrize("letters", [string.ascii_lowercase, string.ascii_lowercase + string.digits])
def test_names_drawn_at_random_are_told_from_made_ones(letters: str) -> None:
    names = Characters.of()
    assert max(names.random(MADE)) < 0
    bits = sorted(names.random(drawn(400, 14, letters)))
    assert bits[20] > 8  # of twenty, nineteen


def test_a_house_that_knows_a_name_no_longer_finds_it_odd() -> None:
    before = Characters.of().random(["msftncsi"])[0]
    after = Characters.of(counted(["msftncsi", "msftconnecttest"])).random(["msftncsi"])[0]
    assert before > 8
    assert after < before - 6


def test_names_counted_apart_are_names_counted_together() -> None:
    one, other = counted(["alpha", "beta"]), counted(["gamma"])
    assert one.merged(other).table().equals(counted(["gamma", "beta", "alpha"]).table())


def test_short_names_and_strange_ones_say_nothing_or_little() -> None:
    names = Characters.of()
    assert names.random(["xqzjk", ""]).tolist() == [0.0, 0.0]
    assert names.random(["SearchIndexer"])[0] == names.random(["searchindexer"])[0]
    assert len(names.random([])) == 0


def test_hostile_names_are_cut() -> None:
    names = Characters.of()
    begin = time.process_time()
    bits = names.random(["x" * 1_000_000, "é" * 100_000, "\u202e" * 100_000])
    assert time.process_time() - begin < 1
    assert max(bits) < LONGEST * 20


def test_the_words_are_words() -> None:
    assert len(set(words())) == len(words()) > 500
    assert all(set(word) <= set(ALPHABET) and len(word) > 2 for word in words())


@pytest.mark.parametrize(
    ("domain", "own"),
    [("www.example.co.uk", "example"), ("EXAMPLE.com.", "example"), ("d111abcdef8.cloudfront.net", "cloudfront"),
     ("printer.local", ""), ("ws1", ""), ("1.0.0.10.in-addr.arpa", ""), ("co.uk", ""), ("", ""),
     ("x." * 200 + "com", ""),
     ("_ldap._tcp.dc._msdcs.example.org", "example")],
)  # fmt: skip
def test_what_was_registered(domain: str, own: str) -> None:
    assert registered(domain) == own
