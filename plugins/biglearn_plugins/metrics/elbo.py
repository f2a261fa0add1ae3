"""The evidence lower bound of a sampler, and the reverse Kullback-Leibler divergence that it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Array, Key

from biglearn_plugins.metrics.log_weights import log_weights, zero_density_draws
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured


@dataclass(frozen=True)
class Elbo(AbstractMetric):
    """Figures `elbo`, `kl_reverse` and `zero_density_draws`.

    `elbo = E_p[log q(x) - log p(x)] <= log Z`, where `q` is unnormalised, and `kl_reverse = log Z - elbo =
    KL(p || q / Z)` where `log Z` is known. Standard error: that of a mean of independent draws, and the rounding
    of log densities, which may be that of all of them. One draw of density zero makes the bound `-inf`; both are
    missing then. Like every figure of the sampler's own draws it is blind to missed modes: a sampler on one of two
    equal modes loses `log 2` only.
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        elbo = _elbo(draws)
        return {
            "elbo": elbo,
            "kl_reverse": _divergence(elbo, target.facts.log_z),
            "zero_density_draws": Measured(float(zero_density_draws(draws))),
        }


def _elbo(draws: Draws) -> Measured:
    ratios, lost = log_weights(draws), zero_density_draws(draws)
    if isinstance(ratios, str):
        return Measured.missing(ratios)
    if lost:
        return Measured.missing(f"{lost} of {draws.count} draws have target density zero, so that the bound is -inf")
    error = float(ratios.std(ddof=1)) / math.sqrt(draws.count)
    return Measured(float(ratios.mean()), math.hypot(error, draws.rounding))


def _divergence(elbo: Measured, log_z: float | None) -> Measured:
    if elbo.value is None:
        return elbo
    if log_z is None:
        return Measured.missing("log Z of the target is not known")
    return Measured(log_z - elbo.value, elbo.standard_error)


def elbo() -> Elbo:
    """The metric; it has no parameters."""
    return Elbo()


ENTRY = Entry(
    name="elbo",
    build=elbo,
    summary="evidence lower bound, and the reverse KL divergence where log Z is known",
    reference="Jordan, Ghahramani, Jaakkola & Saul, Machine Learning 37 (1999)",
)
