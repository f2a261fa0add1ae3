"""A sampler in a notebook: its heaviest components, or its factors, and a picture of its density."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biglearn_sampler.catalogue.notebook import heading, html_of, picture, table
from biglearn_sampler.mixture.factored import FactoredMixture
from biglearn_sampler.mixture.gaussian_mixture import GaussianMixture
from biglearn_sampler.mixture.mixture import Mixture

MOST_ROWS = 5
MOST_COORDINATES = 4


@html_of.register(GaussianMixture)
def html_of_mixture(sampler: GaussianMixture) -> str:
    """The HTML of a mixture."""
    weights, means = np.asarray(sampler.weights, float), np.asarray(sampler.means, float)
    spreads = np.sqrt(np.diagonal(np.asarray(sampler.covariances, float), axis1=1, axis2=2))
    # In all coordinates, also where only the first ones are shown.
    looks = [(*_digits(mean), *_digits(spread)) for mean, spread in zip(means, spreads, strict=True)]
    together = dict.fromkeys(looks, 0.0)
    for look, weight in zip(looks, weights, strict=True):
        together[look] += weight
    heaviest = sorted(together, key=lambda look: -together[look])[:MOST_ROWS]
    rows = [(f"{together[look]:.4f}", _shown(look[: sampler.dim]), _shown(look[sampler.dim :])) for look in heaviest]
    twins = ", those that look alike added up" if len(together) < len(looks) else ""
    title = f"A mixture of {len(weights)} Gaussians in {sampler.dim} dimensions; the heaviest{twins}:"
    return heading(title) + table(("weight", "mean", "standard deviations"), rows) + _picture(sampler)


@html_of.register(FactoredMixture)
def html_of_product(sampler: FactoredMixture) -> str:
    """The HTML of a product of mixtures."""
    pairs = list(zip(sampler.blocks, sampler.factors_of, strict=True))[:MOST_ROWS]
    rows = [(", ".join(map(str, block)), str(factor.components)) for block, factor in pairs]
    title = f"A product of {len(sampler.blocks)} mixtures in {sampler.dim} dimensions; the first:"
    return heading(title) + table(("coordinates", "components"), rows) + _picture(sampler)


def _picture(sampler: Mixture) -> str:
    return picture(
        "target_picture",
        lambda report, path: report.draw_sampler(sampler, "sampler", path),
        f"density of the sampler in {sampler.dim} dimensions",
    )


def _digits(values: np.ndarray) -> list[str]:
    return [f"{value:.3g}" for value in values]


def _shown(values: Sequence[str]) -> str:
    text = ", ".join(values[:MOST_COORDINATES])
    return f"{text}, ..." if len(values) > MOST_COORDINATES else text
