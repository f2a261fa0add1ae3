"""What trained mixtures cover of a mixture that is known: modes, reverse KL and effective sample size, over seeds."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from biglearn_plugins.reports.page.numbers_as_text import number, span
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, constrain

DRAWS = 4000
"""Of every mixture."""

SHARED = 0.5
"""Of a mode's mass, where the mode is covered. A single `N(0, 9 I)` over the 25 modes of Fig. 3 shares from 0.11 to
0.41 of each, a component with twice the mode's standard deviation 0.53."""

DIVERGED = 100.0
"""Nats of reverse KL beyond any mixture that is near the target: components have gone far away."""

NEARLY_ALL, MOST, FEW = 0.85, 0.5, 0.25
"""Shares of the modes: nearly all are so many, most are more, and so few at most are left by a collapse."""

HEADINGS = ("modes", "median", "all of them", "KL, median", "ESS, median", "diverged")


class Coverage(NamedTuple):
    """Figures of many mixtures.

    Arguments:
        modes: that share at least half of their mass with the mixture.
        divergence: `KL[p || q]`, in nats.
        ess: effective sample size of importance weights, as a share of the draws.
    """

    modes: Float[np.ndarray, " seeds"]
    divergence: Float[np.ndarray, " seeds"]
    ess: Float[np.ndarray, " seeds"]

    @property
    def range(self) -> str:
        """Fewest and most modes."""
        return span(self.modes.min(), self.modes.max(), 0)

    def complete(self, total: int) -> int:
        """Mixtures that cover so many modes."""
        return int((self.modes == total).sum())

    @property
    def diverged(self) -> int:
        """Mixtures that have left the target."""
        return int((~(self.divergence <= DIVERGED)).sum())

    def finds_nearly_all(self, total: int) -> bool:
        """Whether most mixtures cover all or nearly all of so many modes."""
        return bool((self.modes >= NEARLY_ALL * total).mean() > 0.5)

    def finds_most(self, total: int) -> bool:
        """Whether most mixtures cover most of so many modes."""
        return bool((self.modes > MOST * total).mean() > 0.5)

    def collapses(self, total: int) -> bool:
        """Whether most mixtures cover few of so many modes."""
        return bool((self.modes <= FEW * total).mean() > 0.5)

    def cells(self, total: int) -> tuple[str, ...]:
        """The row of a table, as `HEADINGS` say."""
        return (
            self.range,
            number(float(np.median(self.modes)), 1),
            f"{self.complete(total)} of {len(self.modes)}",
            _nats(float(np.median(self.divergence))),
            number(float(np.median(self.ess)), 3),
            f"{self.diverged} of {len(self.modes)}",
        )


def _nats(value: float) -> str:
    """With three decimals where they say something."""
    return number(value, 3 if value < 10.0 else 0)


def coverage_of(parameters: UnconstrainedMixture, target: GaussianMixture) -> Coverage:
    """The figures of some mixtures `p`, from draws of each.

    What a mode `k` of the target `q` shares with `p` is `f_k = int min(p(x), q(x)) r_k(x) dx`, where `r_k` are the
    responsibilities; the mode is covered where `f_k >= pi_k / 2`. Draws far from all modes belong to none of them.

    A mixture that is not finite any more covers nothing, and its divergence is infinite.

    Arguments:
        parameters: of all of them, in arrays with a leading axis.
        target: normalised.
    """
    found = _figures(parameters, target, jax.random.split(jax.random.key(0), len(parameters.means)))
    shares, divergence, ess = (np.asarray(each, float) for each in found)
    modes = (np.nan_to_num(shares) >= SHARED * np.asarray(target.weights, float)).sum(-1)
    return Coverage(modes.astype(float), np.nan_to_num(divergence, nan=np.inf), np.nan_to_num(ess))


@jax.jit
def _figures(
    parameters: UnconstrainedMixture, target: GaussianMixture, keys: Key[Array, " seeds"]
) -> tuple[Float[Array, "seeds modes"], Float[Array, " seeds"], Float[Array, " seeds"]]:
    def of_one(parameters: UnconstrainedMixture, key: Key[Array, ""]) -> tuple[Array, Array, Array]:
        mixture = constrain(parameters)
        points = mixture.sample(key, DRAWS)
        ratios = target.log_density(points) - mixture.log_density(points)
        ess = jnp.exp(2.0 * logsumexp(ratios) - logsumexp(2.0 * ratios)) / DRAWS
        shared = jnp.exp(jnp.minimum(ratios, 0.0))[:, None]
        # So far away that squares overflow, responsibilities are no numbers.
        belonging = jnp.where(shared > 0.0, shared * target.responsibilities(points), 0.0)
        return belonging.mean(0), -ratios.mean(), ess

    return jax.vmap(of_one)(parameters, keys)
