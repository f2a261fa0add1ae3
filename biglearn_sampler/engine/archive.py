"""The modes that were found: one Gaussian for each, with the log mass it accounts for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from biglearn_sampler.engine.population import Population
from biglearn_sampler.estimators.guard import ZERO_DENSITY
from biglearn_sampler.mixture import LOG_TWO_PI

NEWS = 1.0
"""Nats by which a mode must exceed what the others explain."""

SLACK, LEAST_SLACK = 0.05, 0.002
"""Share of the depth below the highest peak by which an explanation may fall short: Gaussians fail far out. Where broad
points show that these do not, as in a mixture of Gaussians, it is smaller, down to what fitted shapes are worth."""

DEEP, LEAST_DEEP = 10.0, 256
"""Nats below the highest peak from which points tell how far explanations fall short, and how many it takes."""

TYPICAL, TIMES = 0.75, 3.0
"""Of the deviations of such points, the quantile that stands for what is explained, and its multiple that is allowed:
a mode that is still unknown has the rest of the points, or far more than most of them."""

WIDER, WIDER_GAIN = np.log(2.0), 3.0
"""From so much growth in the mean of the log widths on, a twin must be better by so many nats."""

LARGEST_TABLE = 1 << 24
"""Numbers, one for every coordinate of every mode at every point, that are held at once."""

LEAST_EVIDENCE = -1e20
"""Stands for no density at all."""

NEGLIGIBLE = 1e-3
"""A mode that may not hold a larger share of the mass found is not kept."""

LARGEST_SPREAD = 20.0
"""Nats by which what a mode may hold can exceed its evidence."""


class Mode(NamedTuple):
    """One mode.

    Arguments:
        mean, factor: of its Gaussian `N_k`.
        evidence: `e_k = E_k[log q - log N_k]`, a lower bound of the log mass around it.
        points, log_target: draws of `N_k`, on which it is compared with others.
        settled: whether it is beyond discussion, since all modes were fitted together: it is neither replaced nor
            dropped.
    """

    mean: Float[np.ndarray, " dim"]
    factor: Float[np.ndarray, "dim dim"]
    evidence: float
    points: Float[np.ndarray, "points dim"]
    log_target: Float[np.ndarray, " points"]
    settled: bool = False

    @property
    def blind(self) -> bool:
        """Whether none of its points has a density."""
        return bool((self.log_target <= 0.5 * LEAST_EVIDENCE).all())

    @property
    def potential(self) -> float:
        """Log of the mass that the mode may hold, `e_k + Var_k[log q - log N_k] / 2`: evidence is a bound from below,
        loose where no single Gaussian fits, by about as much (second cumulant of `log E_k[q / N_k]`)."""
        if len(self.points) < 2:
            return self.evidence
        standard = np.linalg.solve(self.factor, (self.points - self.mean).T)
        variance = float((self.log_target + 0.5 * (standard**2).sum(0)).var())
        return self.evidence + min(0.5 * variance, LARGEST_SPREAD)


@dataclass(frozen=True)
class Archive:
    """All modes found so far: the unnormalised mixture `h(x) = sum_k exp(e_k) N_k(x)`.

    Arguments:
        dim: number of coordinates.
        modes: in the order of their discovery.
        slack: share of the depth below the highest peak by which the modes may fail to explain the target.
    """

    dim: int
    modes: tuple[Mode, ...] = ()
    slack: float = SLACK

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.modes)

    @cached_property
    def means(self) -> Float[np.ndarray, "modes dim"]:
        """Of all modes."""
        return np.array([mode.mean for mode in self.modes]).reshape(-1, self.dim)

    @cached_property
    def factors(self) -> Float[np.ndarray, "modes dim dim"]:
        """Of all modes."""
        return np.array([mode.factor for mode in self.modes]).reshape(-1, self.dim, self.dim)

    @cached_property
    def evidence(self) -> Float[np.ndarray, " modes"]:
        """Of all modes."""
        return np.array([mode.evidence for mode in self.modes])

    @cached_property
    def total(self) -> float:
        """Log of the mass found."""
        return float(logsumexp(self.evidence)) if self.modes else -np.inf

    @cached_property
    def peak(self) -> float:
        """Log density at the highest mode, as its Gaussian has it."""
        if not self.modes:
            return 0.0
        diagonals = np.diagonal(self.factors, axis1=1, axis2=2)
        return float((self.evidence - np.log(diagonals).sum(-1)).max() - 0.5 * self.dim * LOG_TWO_PI)

    @cached_property
    def _inverse(self) -> Float[np.ndarray, "modes dim dim"]:
        return np.linalg.inv(self.factors)

    def population(self) -> Population:
        """The modes as components, weighted by their evidence."""
        return Population(self.means, self.factors, self.evidence).normalised()

    def log_density(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, " points"]:
        """`log h(x)`; `-inf` while nothing was found."""
        if not self.modes:
            return np.full(len(points), -np.inf)
        blocks = np.array_split(points, 1 + self.means.size * len(points) // LARGEST_TABLE)
        return np.concatenate([np.asarray(logsumexp(self._log_parts(block), axis=1)) for block in blocks])

    def explaining(self, points: Float[np.ndarray, "points dim"]) -> Int[np.ndarray, " points"]:
        """Number of the mode that holds most of the density at each point."""
        blocks = np.array_split(points, 1 + self.means.size * len(points) // LARGEST_TABLE)
        return np.concatenate([self._log_parts(block).argmax(1) for block in blocks])

    def _log_parts(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points modes"]:
        """`e_k + log N_k(x)`."""
        standard = (points - self.means[:, None]) @ self._inverse.swapaxes(1, 2)
        log_determinant = np.log(np.diagonal(self._inverse, axis1=1, axis2=2)).sum(-1)
        constant = self.evidence + log_determinant - 0.5 * self.dim * LOG_TWO_PI
        return (constant[:, None] - 0.5 * (standard**2).sum(-1)).T

    def surprise(
        self, log_target: Float[np.ndarray, " points"], log_density: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """Above 1 where the modes do not explain the target: `(log q - log h) / (NEWS + slack (peak - log q)^+)`."""
        log_target = np.maximum(log_target, ZERO_DENSITY)
        return (log_target - log_density) / (NEWS + self.slack * np.maximum(self.peak - log_target, 0.0))

    def explained(
        self, log_target: Float[np.ndarray, " points"], surprise: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """`log h` again, from what `surprise` made of it."""
        log_target = np.maximum(log_target, ZERO_DENSITY)
        return log_target - surprise * (NEWS + self.slack * np.maximum(self.peak - log_target, 0.0))

    def calibrated(self, points: Float[np.ndarray, "points dim"], log_target: Float[np.ndarray, " points"]) -> Archive:
        """The archive with the slack that broad points call for: three times what is typical of `|log q - log h|`.

        Where Gaussians explain the target far out, a mode that dominates few points of many stands out among them,
        although what it adds is small beside their depth.
        """
        depth = self.peak - log_target
        deep = np.isfinite(log_target) & (log_target > ZERO_DENSITY) & (depth > DEEP)
        if deep.sum() < LEAST_DEEP:
            return self
        deviation = np.abs(log_target[deep] - self.log_density(points[deep])) / depth[deep]
        return replace(self, slack=float(np.clip(TIMES * np.quantile(deviation, TYPICAL), LEAST_SLACK, SLACK)))

    def excess(self, mode: Mode) -> float:
        """`E_k[log q - log h]`: what the modes of this archive leave unexplained under a mode."""
        if not self.modes:
            return np.inf
        return float((mode.log_target - self.log_density(mode.points)).mean())

    def twin(self, mode: Mode) -> int | None:
        """The mode in which the mean of another one lies and conversely, if any."""
        if not self.modes:
            return None
        difference = self.means - mode.mean
        theirs = (np.einsum("kij,kj->ki", self._inverse, difference) ** 2).sum(-1)
        mine = (np.linalg.solve(mode.factor, difference.T) ** 2).sum(0)
        distance = np.maximum(theirs, mine)
        nearest = int(distance.argmin())
        return nearest if distance[nearest] < max(4.0, self.dim / 4.0) else None

    def is_negligible(self, mode: Mode) -> bool:
        """Whether a mode is too light to be kept, or shows no density at all."""
        return mode.evidence <= LEAST_EVIDENCE or not mode.potential > self.total + np.log(NEGLIGIBLE)

    def is_news(self, mode: Mode) -> bool:
        """Whether a mode is somewhere else than the known ones and exceeds what they explain."""
        return self.twin(mode) is None and self.excess(mode) > NEWS

    def with_mode(self, mode: Mode) -> Archive:
        """The archive with one more mode."""
        return replace(self, modes=(*self.modes, mode))

    def with_better_twin(self, mode: Mode) -> Archive:
        """The archive with a mode in the place of its twin, if that is worse and may be replaced."""
        twin = self.twin(mode)
        if twin is None or self.modes[twin].settled or not mode.evidence > self._needed(self.modes[twin], mode):
            return self
        return replace(self, modes=(*self.modes[:twin], mode, *self.modes[twin + 1 :]))

    def _needed(self, known: Mode, mode: Mode) -> float:
        """The evidence that a twin must exceed: a wider one has taken in what lies around, and must be much better."""
        growth = np.log(np.diagonal(mode.factor)).mean() - np.log(np.diagonal(known.factor)).mean()
        return known.evidence + (WIDER_GAIN if growth > WIDER else 0.0)

    def pruned(self) -> Archive:
        """Without negligible modes and those that the others explain, looked at from the lightest on."""
        kept = np.ones(self.count, bool)
        for number in np.argsort(self.evidence, kind="stable").tolist():
            mode = self.modes[number]
            if mode.settled or kept.sum() < 2:
                continue
            kept[number] = False
            total = logsumexp(self.evidence[kept])
            explained = logsumexp(self._log_parts(mode.points)[:, kept], axis=1)
            light = not mode.potential > total + np.log(NEGLIGIBLE)
            kept[number] = not light and float((mode.log_target - explained).mean()) >= NEWS
        return replace(self, modes=tuple(mode for mode, stays in zip(self.modes, kept, strict=True) if stays))
