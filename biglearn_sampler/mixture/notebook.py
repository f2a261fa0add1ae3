"""A sampler in a notebook: its heaviest components, or its factors, and a picture of its density."""

from __future__ import annotations

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
    heaviest = np.argsort(-weights)[:MOST_ROWS]
    rows = [(f"{weights[place]:.4f}", _shown(means[place]), _shown(spreads[place])) for place in heaviest]
    title = f"A mixture of {len(weights)} Gaussians in {sampler.dim} dimensions; the heaviest:"
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


def _shown(values: np.ndarray) -> str:
    text = ", ".join(f"{value:.3g}" for value in values[:MOST_COORDINATES])
    return f"{text}, ..." if len(values) > MOST_COORDINATES else text
