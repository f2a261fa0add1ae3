"""Draws as an object of ArviZ, of whichever version is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import jax
import numpy as np

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation.drawing import quantities_of
from biglearn_sampler.evaluation.draws import Draws
from biglearn_sampler.evaluation.importance import draw_weights
from biglearn_sampler.evaluation.resampling import systematic


def arviz_of(posterior: Mapping[str, np.ndarray], observed: Mapping[str, np.ndarray], attributes: Mapping[str, Any]):
    """Draws of shape `(chains, draws, ...)` by name: `InferenceData` of ArviZ 0.x, `DataTree` of 1.x.

    A slash in a name is a dot in a `DataTree`.

    Raises:
        UserError: ArviZ is not installed.
    """
    try:
        arviz = import_module("arviz")
    except ImportError as error:
        raise UserError(
            "an ArviZ object needs ArviZ, which is not installed; run `pip install 'biglearn-sampler[arviz]'`. "
            "run.posterior() gives the same draws as arrays"
        ) from error
    early = int(arviz.__version__.split(".")[0]) < 1
    # 1.x keeps groups in a tree of paths, in which no variable can have a slash, as `numpyro.handlers.scope` gives it.
    posterior, observed = (
        dict(group) if early else {name.replace("/", "."): values for name, values in group.items()}
        for group in (posterior, observed)
    )
    groups: dict[str, Any] = {"posterior": posterior}
    if observed:
        groups["observed_data"] = observed
    # 0.x takes groups as keywords; a dict of groups would become one variable called `posterior`, without an error.
    data = arviz.from_dict(**groups) if early else arviz.from_dict(groups)
    data["posterior"].attrs.update({"inference_library": "biglearn_sampler", **attributes})
    return data


def arviz_of_draws(draws: Draws, target: AbstractTarget, seed: int, attributes: Mapping[str, Any]) -> Any:
    """The draws of a method: chains as chains, others as one chain, resampled where they have weights.

    Arguments:
        draws: of any method.
        target: names the quantities.
        seed: of the resampling.
        attributes: further attributes of the posterior.

    Raises:
        UserError: ArviZ is not installed, or all draws have density zero.
    """
    resampled = draws.weights is not None or draws.log_ratios is not None
    points = _resampled(draws, seed) if resampled else draws.points
    chains = draws.chains or 1
    named = quantities_of(target, points)
    posterior = {name: values.reshape(chains, -1, *values.shape[1:]) for name, values in named.items()}
    return arviz_of(posterior, target.observed(), {**attributes, "resampled": int(resampled)})


def _resampled(draws: Draws, seed: int) -> np.ndarray:
    """As many draws by their weights, in random order."""
    weights = draw_weights(draws)
    if not weights.any():
        raise UserError("the target has density zero at all draws of the method, so they have no weights")
    key_offset, key_order = jax.random.split(jax.random.key(seed))
    chosen = systematic(weights, draws.count, float(jax.random.uniform(key_offset)))
    return draws.points[np.asarray(jax.random.permutation(key_order, chosen))]
