"""Whether a sampler covers its target, from evidence that the training did not use."""

from biglearn_sampler.verdict.judge import CANNOT_TELL as CANNOT_TELL
from biglearn_sampler.verdict.judge import COVERED as COVERED
from biglearn_sampler.verdict.judge import NOT_COVERED as NOT_COVERED
from biglearn_sampler.verdict.judge import Verdict as Verdict
from biglearn_sampler.verdict.judge import judge as judge
from biglearn_sampler.verdict.own_draws import WeighedDraws as WeighedDraws
