"""Points with importance weights, and how far they can be trusted."""

from biglearn_sampler.importance.pareto import pareto_smooth as pareto_smooth
from biglearn_sampler.importance.pareto import resolution_of as resolution_of
from biglearn_sampler.importance.reservoir import Reservoir as Reservoir
from biglearn_sampler.importance.reservoir import ReservoirQuality as ReservoirQuality
from biglearn_sampler.importance.rounding import rounding_of as rounding_of
from biglearn_sampler.importance.truncated import truncated_log_mean as truncated_log_mean
