"""Tails of distributions in bits, exact far beyond where a probability is a double: pure functions over arrays."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, gammaln, stdtr

from vizsla.calibration import Floats

LN2 = float(np.log(2.0))
FAR = 1e-280  # below this the tail is summed as its series
T_FAR = 1e50
SHARE = 0.05  # of quiet hours, the highest, whose excess tells how heavy a tail is
NEED = 20.0  # quiet hours above that share at which what they say weighs as much as the model


def negative_binomial(x: Floats, mean: Floats, spread: Floats) -> Floats:
    """-log2 P(X >= x) for counts X of this mean and variance mean + spread mean^2; 0 where x <= 0.

    P is the regularised incomplete beta function I_q(x, r) with r = 1 / spread and q = mean / (mean + r). Where that
    underflows, P is bounded from above by the first term of its series and a geometric one: never too unusual.
    """
    x, mean, spread = (np.asarray(values, dtype=np.float64) for values in (x, mean, spread))
    r = 1.0 / spread
    q = mean / (mean + r)
    some = np.maximum(x, 1.0)
    p = betainc(some, r, q)
    near = p > FAR
    bits = -np.log2(np.where(near, p, 1.0))
    if not near.all():
        log = gammaln(some + r) - gammaln(some + 1) - gammaln(r) + r * np.log1p(-q) + some * np.log(q)
        ratio = np.minimum(np.maximum(q * (some + r) / (some + 1), q), 1 - 1e-12)
        bits = np.where(near, bits, -(log - np.log1p(-ratio)) / LN2)
    return np.where(x <= 0, 0.0, np.maximum(bits, 0.0))


def student(x: Floats, location: Floats, scale: Floats, freedom: float) -> Floats:
    """-log2 P(X >= x) for Student's t with this location, scale and degrees of freedom."""
    away = np.clip((np.asarray(x, dtype=np.float64) - location) / scale, -T_FAR, T_FAR)
    return np.asarray(-np.log2(stdtr(freedom, -away)))


def temper(bits: Floats, quiet: Floats) -> Floats:
    """Bits made honest by those that quiet hours got from a model that had not seen them.

    If the model were right, a share 2^-b of quiet hours would have b bits or more. Above the level that SHARE of them
    reach, bits are divided by how much longer their tail is (its median excess, so that an attack among them counts
    little); below, they are stretched to that level. Never are bits added.
    """
    if len(quiet) < 1 / SHARE:
        return bits
    honest = -float(np.log2(SHARE))
    level = float(np.quantile(quiet, 1 - SHARE))
    above = quiet[quiet > level]
    # The median of an exponential excess is one bit: half of those beyond a level are a bit beyond it.
    longer = float(np.median(above - level)) if len(above) else 1.0
    longer = max(1.0, (len(above) * longer + NEED) / (len(above) + NEED))
    if level <= honest:
        return np.minimum(bits, np.where(bits > honest, honest + (bits - honest) / longer, bits))
    return np.where(bits > level, honest + (bits - level) / longer, bits * (honest / level))


def both(one: Floats, other: Floats) -> Floats:
    """-log2 p of two independent surprises together: of their sum, by Fisher's method for two p-values; or of the
    stronger, a bit less for the choice."""
    total = one + other
    return np.maximum(np.maximum(total - np.log2(1.0 + LN2 * total), np.maximum(one, other) - 1.0), 0.0)
