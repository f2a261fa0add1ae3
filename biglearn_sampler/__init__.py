"""Sample every mode of an unnormalised energy, and prove it beside MCMC.

Names are imported when they are first used, so that `import biglearn_sampler` is quick and the command line can
answer without importing jax.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from biglearn_sampler.api import target as target
    from biglearn_sampler.bridges import JumpKernel as JumpKernel
    from biglearn_sampler.bridges import from_numpyro as from_numpyro
    from biglearn_sampler.catalogue import Catalogue as Catalogue
    from biglearn_sampler.catalogue import Entry as Entry
    from biglearn_sampler.catalogue import hookimpl as hookimpl
    from biglearn_sampler.catalogue import use as use
    from biglearn_sampler.comparison import Comparison as Comparison
    from biglearn_sampler.comparison import Trial as Trial
    from biglearn_sampler.compilation import keep_compiled as keep_compiled
    from biglearn_sampler.data import BigLearnMixture as BigLearnMixture
    from biglearn_sampler.data import DataFit as DataFit
    from biglearn_sampler.data import fit_data as fit_data
    from biglearn_sampler.energy import AbstractTarget as AbstractTarget
    from biglearn_sampler.energy import Evaluations as Evaluations
    from biglearn_sampler.energy import Facts as Facts
    from biglearn_sampler.energy import MixtureTarget as MixtureTarget
    from biglearn_sampler.energy import affine as affine
    from biglearn_sampler.energy import from_numpy as from_numpy
    from biglearn_sampler.energy import mixture_of as mixture_of
    from biglearn_sampler.energy import product as product
    from biglearn_sampler.energy import tempered as tempered
    from biglearn_sampler.errors import BiglearnError as BiglearnError
    from biglearn_sampler.evaluation import AbstractBaseline as AbstractBaseline
    from biglearn_sampler.evaluation import AbstractMetric as AbstractMetric
    from biglearn_sampler.evaluation import BaselineResult as BaselineResult
    from biglearn_sampler.evaluation import Draws as Draws
    from biglearn_sampler.evaluation import Measured as Measured
    from biglearn_sampler.evaluation import resample as resample
    from biglearn_sampler.learning import StartRegion as StartRegion
    from biglearn_sampler.learning import clip_by_fisher_norm as clip_by_fisher_norm
    from biglearn_sampler.learning import natural_gradient as natural_gradient
    from biglearn_sampler.learning import scale_by_sample_size as scale_by_sample_size
    from biglearn_sampler.mixture import Channel as Channel
    from biglearn_sampler.mixture import FactoredMixture as FactoredMixture
    from biglearn_sampler.mixture import GaussianMixture as GaussianMixture
    from biglearn_sampler.mixture import UnconstrainedMixture as UnconstrainedMixture
    from biglearn_sampler.mixture import constrain as constrain
    from biglearn_sampler.mixture import unconstrain as unconstrain
    from biglearn_sampler.runs import AbstractReport as AbstractReport
    from biglearn_sampler.runs import Run as Run
    from biglearn_sampler.runs import compare as compare
    from biglearn_sampler.runs import load as load
    from biglearn_sampler.runs import load_comparison as load_comparison
    from biglearn_sampler.runs import resume as resume
    from biglearn_sampler.runs import save as save
    from biglearn_sampler.runs import train as train
    from biglearn_sampler.studies import StudyResults as StudyResults
    from biglearn_sampler.studies import sweep as sweep
    from biglearn_sampler.tasks import AbstractLearningScheduler as AbstractLearningScheduler
    from biglearn_sampler.tasks import AbstractScheduler as AbstractScheduler
    from biglearn_sampler.tasks import AbstractTransformation as AbstractTransformation
    from biglearn_sampler.tasks import OrthogonalMap as OrthogonalMap
    from biglearn_sampler.tasks import Task as Task
    from biglearn_sampler.tasks import TaskDraw as TaskDraw

_HOMES = {
    "api": ["target"],
    "bridges": ["JumpKernel", "from_numpyro"],
    "catalogue": ["Catalogue", "Entry", "hookimpl", "use"],
    "compilation": ["keep_compiled"],
    "data": ["BigLearnMixture", "DataFit", "fit_data"],
    "energy": [
        "AbstractTarget",
        "Evaluations",
        "Facts",
        "MixtureTarget",
        "affine",
        "from_numpy",
        "mixture_of",
        "product",
        "tempered",
    ],
    "errors": ["BiglearnError"],
    "evaluation": ["AbstractBaseline", "AbstractMetric", "BaselineResult", "Draws", "Measured", "resample"],
    "learning": ["StartRegion", "clip_by_fisher_norm", "natural_gradient", "scale_by_sample_size"],
    "mixture": ["Channel", "FactoredMixture", "GaussianMixture", "UnconstrainedMixture", "constrain", "unconstrain"],
    "comparison": ["Comparison", "Trial"],
    "runs": ["AbstractReport", "Run", "compare", "load", "load_comparison", "resume", "save", "train"],
    "studies": ["StudyResults", "sweep"],
    "tasks": [
        "AbstractLearningScheduler",
        "AbstractScheduler",
        "AbstractTransformation",
        "OrthogonalMap",
        "Task",
        "TaskDraw",
    ],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("biglearn-sampler")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'biglearn_sampler' has no attribute '{name}'")
    return getattr(import_module(f"biglearn_sampler.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF, "__version__"])
