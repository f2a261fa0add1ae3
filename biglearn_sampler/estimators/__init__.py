"""Where the log density of a task comes from on the target's side: one interface, several sources."""

from biglearn_sampler.estimators.choose import Channels as Channels
from biglearn_sampler.estimators.choose import choose_estimators as choose_estimators
from biglearn_sampler.estimators.energy import EnergyEstimator as EnergyEstimator
from biglearn_sampler.estimators.estimator import AbstractEstimator as AbstractEstimator
from biglearn_sampler.estimators.exact_channel import ExactChannelEstimator as ExactChannelEstimator
from biglearn_sampler.estimators.marginal_quadrature import MarginalQuadrature as MarginalQuadrature
from biglearn_sampler.estimators.noised_quadrature import NoisedQuadrature as NoisedQuadrature
from biglearn_sampler.estimators.reservoir import ReservoirEstimator as ReservoirEstimator
from biglearn_sampler.estimators.reservoir import ReservoirSizes as ReservoirSizes
