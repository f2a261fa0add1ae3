"""Learning the sampler: one pure step, the loop over chunks, natural gradients, the start."""

from biglearn_sampler.learning.convergence import LossTrend as LossTrend
from biglearn_sampler.learning.fit import FitState as FitState
from biglearn_sampler.learning.fit import Fitter as Fitter
from biglearn_sampler.learning.fit import Progress as Progress
from biglearn_sampler.learning.fit import SavedFit as SavedFit
from biglearn_sampler.learning.fit import fit as fit
from biglearn_sampler.learning.fit import least_evaluations as least_evaluations
from biglearn_sampler.learning.matching import Matching as Matching
from biglearn_sampler.learning.natural import clip_by_fisher_norm as clip_by_fisher_norm
from biglearn_sampler.learning.natural import natural_gradient as natural_gradient
from biglearn_sampler.learning.natural import scale_by_sample_size as scale_by_sample_size
from biglearn_sampler.learning.optimizer import build_optimizer as build_optimizer
from biglearn_sampler.learning.refill import ReservoirReport as ReservoirReport
from biglearn_sampler.learning.start import StartRegion as StartRegion
from biglearn_sampler.learning.step import Training as Training
from biglearn_sampler.learning.step import TrainKeys as TrainKeys
from biglearn_sampler.learning.step import TrainState as TrainState
