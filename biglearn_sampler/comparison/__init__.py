"""Methods side by side on one target: trials, curves, and what they say together."""

from biglearn_sampler.comparison import notebook as notebook  # registers what a notebook shows
from biglearn_sampler.comparison.aggregate import Aggregate as Aggregate
from biglearn_sampler.comparison.comparison import OURS as OURS
from biglearn_sampler.comparison.comparison import Comparison as Comparison
from biglearn_sampler.comparison.coverage_curve import CoveragePoint as CoveragePoint
from biglearn_sampler.comparison.trial import Trial as Trial
