"""Gaussian mixtures and the linear-Gaussian channels through which tasks look at them."""

from biglearn_sampler.mixture import notebook as notebook  # registers what a notebook shows
from biglearn_sampler.mixture.channel import Channel as Channel
from biglearn_sampler.mixture.factored import FactoredMixture as FactoredMixture
from biglearn_sampler.mixture.gaussian_mixture import LOG_TWO_PI as LOG_TWO_PI
from biglearn_sampler.mixture.gaussian_mixture import GaussianMixture as GaussianMixture
from biglearn_sampler.mixture.heavy_tails import heavy_tailed_draws as heavy_tailed_draws
from biglearn_sampler.mixture.heavy_tails import log_densities_beside as log_densities_beside
from biglearn_sampler.mixture.mixture import Mixture as Mixture
from biglearn_sampler.mixture.triangular import inverse_factors as inverse_factors
from biglearn_sampler.mixture.unconstrained import UnconstrainedMixture as UnconstrainedMixture
from biglearn_sampler.mixture.unconstrained import constrain as constrain
from biglearn_sampler.mixture.unconstrained import unconstrain as unconstrain
