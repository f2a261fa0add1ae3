"""What is measured of draws, by which yardstick: metrics and baselines."""

from biglearn_sampler.evaluation.baseline import AbstractBaseline as AbstractBaseline
from biglearn_sampler.evaluation.baseline import BaselineResult as BaselineResult
from biglearn_sampler.evaluation.baseline import result_problem as result_problem
from biglearn_sampler.evaluation.draws import Defended as Defended
from biglearn_sampler.evaluation.draws import Draws as Draws
from biglearn_sampler.evaluation.metric import AbstractMetric as AbstractMetric
from biglearn_sampler.evaluation.metric import Measured as Measured
from biglearn_sampler.evaluation.metric import figures_problem as figures_problem
from biglearn_sampler.evaluation.resampling import Resampled as Resampled
from biglearn_sampler.evaluation.resampling import resample as resample
