"""Data that were looked at once need not be looked at again at every evaluation of the energy.

NumPyro compares an observed value with the support of its site whenever it computes a log probability. Of data that are
written into compiled code the compiler makes the comparison once; of data that are passed to it, as ours are, at every
evaluation: a third of the time of some models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpyro
from jax.core import Tracer
from jaxtyping import Array
from numpyro import primitives
from numpyro.distributions.constraints import ParameterFreeConstraint, independent

from biglearn_sampler.bridges.sites import FixedNoise


@dataclass(frozen=True)
class TrustedData:
    """A model that no longer compares the data of some observed sites with their support, and whose noise is fixed.

    Everything else of the model is checked as before, log probabilities that it computes by itself among it.

    Arguments:
        model: the function with NumPyro statements.
        sites: names from `sound_sites`, of a trace with the very data that the model will be called with.
    """

    model: Callable[..., Any]
    sites: frozenset[str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _Trust(self.sites), FixedNoise():
            return self.model(*args, **kwargs)


def sound_sites(trace: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The observed sites whose data lie in a support that no parameter can move.

    Data that the model computes from parameters, or that compiled code is given, cannot be looked at and are left out.
    """
    return frozenset(
        name for name, site in trace.items() if site["type"] == "sample" and site["is_observed"] and _is_sound(site)
    )


def _is_sound(site: Mapping[str, Any]) -> bool:
    support = site["fn"].support
    base = support.base_constraint if isinstance(support, independent) else support
    if not isinstance(base, ParameterFreeConstraint) or isinstance(site["value"], Tracer):
        return False
    with jax.ensure_compile_time_eval():
        return bool(np.all(support(np.asarray(site["value"]))))


class _Trust(primitives.Messenger):
    """Swaps the distributions of some observed sites for trusting ones."""

    def __init__(self, sites: frozenset[str]) -> None:
        super().__init__()
        self.sites = sites

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and msg["is_observed"] and msg["name"] in self.sites:
            msg["fn"] = _Trusting(msg["fn"])


class _Trusting:
    """A distribution whose log probability does not look at the support; everything else is passed on."""

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution

    def log_prob(self, *args: Any, **kwargs: Any) -> Array:
        with numpyro.validation_enabled(False):
            return self.distribution.log_prob(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.distribution, name)
