"""Studies: targets x methods x settings x seeds, as jobs in processes of their own, here or on a cluster."""

from biglearn_sampler.studies.results import StudyResults as StudyResults
from biglearn_sampler.studies.study import Study as Study
from biglearn_sampler.studies.sweep import sweep as sweep
