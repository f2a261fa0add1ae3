"""Which modes a method found, and whether it gives them the right mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import betaincinv

from biglearn_plugins.metrics.mode_masses import ModeMasses, error_of_mean, expected_distance, mode_masses
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.evaluation.mode_shares import COVERED_SHARE

# With as many expected draws, exact draws leave a mode below a tenth of its mass with probability below 1e-4.
EXPECTED_DRAWS = 10
# Of the two sides of a binomial interval of 95 %.
TAIL = 0.025


@dataclass(frozen=True)
class ModeCoverage(AbstractMetric):
    """Figures `modes_covered` with `modes_covered_low` and `modes_covered_high`, `modes_total`, `mode_mass_tv` and
    `mode_mass_tv_floor`.

    The mass that a method gives mode `k` is `f_k`, the mean over its draws, by its own weights if it has any and
    never by importance weights, of the probability that a draw belongs to the mode (`facts.responsibilities`); the
    true mass is `pi_k`.

    - `modes_covered`: modes with `f_k >= share * pi_k`; low and high: the same of the lower and the upper end of the
      binomial interval of 95 % of each `f_k` (Clopper & Pearson 1934), with the number of independent draws. For
      another share than a tenth they are called `modes_covered_SHARE`.
    - `mode_mass_tv = 1/2 sum_k |f_k - pi_k|`, from 0 to 1; standard error by the delta method.
    - `mode_mass_tv_floor = 1/2 sum_k E|X_k / n_k - pi_k|` with `X_k ~ Binomial(n_k, pi_k)`: what exact draws that each
      belong to one mode reach on average. For chains `n_k` is the effective count of the mass of the mode, for weights
      and families `1 / sum_g W_g^2`.

    Arguments:
        share: of its true mass that a covered mode holds at least, above 0 and at most 1.
    """

    share: float = COVERED_SHARE

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        masses = mode_masses(draws, target)
        if isinstance(masses, str):
            return dict.fromkeys(self._names, Measured.missing(masses))
        signs = np.where(masses.found >= masses.true, 0.5, -0.5)
        error = error_of_mean(masses.belongs @ signs, draws)
        low, high = binomial_interval(masses)
        figures = (
            Measured(self._covered(masses.found, masses), reason=_too_few(masses.true, draws.count)),
            Measured(self._covered(low, masses)),
            Measured(self._covered(high, masses)),
            Measured(float(len(masses.true))),
            Measured(float(0.5 * np.abs(masses.found - masses.true).sum()), error),
            Measured(expected_distance(masses.true, masses.counts)),
        )
        return dict(zip(self._names, figures, strict=True))

    @property
    def _names(self) -> tuple[str, ...]:
        """Of the figures: curves and pages know covered modes as those with a tenth of their mass."""
        covered = "modes_covered" if self.share == COVERED_SHARE else f"modes_covered_{self.share:g}"
        return covered, f"{covered}_low", f"{covered}_high", "modes_total", "mode_mass_tv", "mode_mass_tv_floor"

    def _covered(self, found: Float[np.ndarray, " modes"], masses: ModeMasses) -> float:
        return float(np.count_nonzero(found >= self.share * masses.true))


def binomial_interval(masses: ModeMasses) -> tuple[Float[np.ndarray, " modes"], Float[np.ndarray, " modes"]]:
    """Both ends of the interval of 95 % of every mass, by quantiles of Beta laws; an end at 0 or 1 is that."""
    count = masses.independent_count
    inside = np.clip(masses.found, 0.0, 1.0) * count
    outside = count - inside
    tiny = np.finfo(float).tiny
    low = np.where(inside > 0.0, betaincinv(np.maximum(inside, tiny), outside + 1.0, TAIL), 0.0)
    high = np.where(outside > 0.0, betaincinv(inside + 1.0, np.maximum(outside, tiny), 1.0 - TAIL), 1.0)
    return low, high


def _too_few(true_mass: Float[np.ndarray, " modes"], count: int) -> str | None:
    expected = count * float(true_mass.min())
    if expected >= EXPECTED_DRAWS:
        return None
    return f"the lightest mode expects {expected:.2g} of {count} draws; exact draws may miss it by chance"


def mode_coverage(
    share: Annotated[float, "of its true mass that a covered mode holds at least, in (0, 1]"] = COVERED_SHARE,
) -> ModeCoverage:
    """The metric.

    Raises:
        ValueError: `share` is out of range.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    return ModeCoverage(share)


ENTRY = Entry(
    name="mode_coverage",
    build=mode_coverage,
    summary="modes found with a binomial interval, and total variation of the mass of modes; needs known modes",
    reference="Clopper & Pearson, Biometrika 26 (1934)",
)
