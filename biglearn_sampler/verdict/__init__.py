"""Whether a sampler covers its target, from evidence that the training did not use."""

from biglearn_sampler.verdict.judge import judge as judge
from biglearn_sampler.verdict.own_draws import WeighedDraws as WeighedDraws
from biglearn_sampler.verdict.verdict import CANNOT_TELL as CANNOT_TELL
from biglearn_sampler.verdict.verdict import COVERED as COVERED
from biglearn_sampler.verdict.verdict import NOT_COVERED as NOT_COVERED
from biglearn_sampler.verdict.verdict import Verdict as Verdict
