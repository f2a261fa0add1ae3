"""Learning from data: big cooperative learning in its forward form, by EM on tasks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from biglearn_sampler.data.fit import fit_data as fit_data
from biglearn_sampler.data.options import DataOptions as DataOptions
from biglearn_sampler.data.parameters import Parameters as Parameters
from biglearn_sampler.data.result import DataFit as DataFit
from biglearn_sampler.data.result import FitInterrupted as FitInterrupted
from biglearn_sampler.errors import MissingPackage

if TYPE_CHECKING:
    from biglearn_sampler.data.estimator import BigLearnMixture as BigLearnMixture


def __getattr__(name: str) -> Any:
    """The estimator, which needs scikit-learn, when it is first asked for."""
    if name != "BigLearnMixture":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    if find_spec("sklearn") is None:
        raise MissingPackage(
            "BigLearnMixture needs scikit-learn, which is not installed; run `pip install 'biglearn-sampler[data]'`"
        )
    from biglearn_sampler.data.estimator import BigLearnMixture

    return BigLearnMixture
