"""Optimisers by name: the natural gradient of this package, or any optimiser of optax."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import numpy as np
import optax

from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning.natural import clip_by_fisher_norm, natural_gradient

NATURAL = "natural"
Decay = Literal["constant", "cosine"]
Option = float | int | bool | str

_TRIAL = {"vector": np.zeros(1, np.float32), "matrix": np.zeros((1, 1), np.float32)}


def build_optimizer(
    name: str,
    learning_rate: float,
    steps: int,
    *,
    decay: Decay,
    final: float,
    options: Mapping[str, Option],
) -> optax.GradientTransformation:
    """An optimiser with its schedule of learning rates.

    Arguments:
        name: `natural`, or the name of an optimiser of optax, such as `sgd` or `adam`.
        learning_rate: at the start, above 0.
        steps: over which it decays.
        decay: `constant`, or `cosine` from `learning_rate` down to `final * learning_rate`.
        final: the share of the learning rate that is left at the end, from 0 to 1.
        options: further arguments; for `natural` only `trust_radius`, the largest step of a component in the
            Fisher metric (default 1).

    Raises:
        SettingsError: optax has no such optimiser, it does not take an option, or it needs more than gradients, as
            a line search does.
    """
    rate = learning_rate if decay == "constant" else optax.cosine_decay_schedule(learning_rate, steps, final)
    if name == NATURAL:
        return _natural(rate, **_checked(NATURAL, _natural, options))
    make: Callable[..., optax.GradientTransformation] | None = getattr(optax, name, None)
    if not inspect.isfunction(make) or "learning_rate" not in inspect.signature(make).parameters:
        raise SettingsError(
            f"optimizer.name: there is no optimiser '{name}'; expected 'natural' or an optimiser of optax such as "
            "'sgd', 'adam' or 'adabelief'"
        )
    checked = _checked(name, make, options)
    try:
        return _tried(make, rate, checked)
    except Exception as error:
        reason = f"cannot be used with the options {checked}: {type(error).__name__}: {error}"
        if decay != "constant" and _works(make, learning_rate, checked):
            reason = "takes no rate that decays: needs optimizer.decay=constant"
        raise SettingsError(f"optimizer: '{name}' {reason}") from error


def _tried(
    make: Callable[..., optax.GradientTransformation], rate: optax.ScalarOrSchedule, options: Mapping[str, Any]
) -> optax.GradientTransformation:
    """The optimiser, which has made an update in shapes."""
    optimizer = make(learning_rate=rate, **options)
    jax.eval_shape(lambda: optimizer.update(_TRIAL, optimizer.init(_TRIAL), _TRIAL))
    return optimizer


def _works(
    make: Callable[..., optax.GradientTransformation], rate: optax.ScalarOrSchedule, options: Mapping[str, Any]
) -> bool:
    with contextlib.suppress(Exception):
        return _tried(make, rate, options) is not None
    return False


def _natural(learning_rate: optax.ScalarOrSchedule, trust_radius: float = 1.0) -> optax.GradientTransformation:
    """Natural gradient, then the step length, then the trust region on the step that is really made."""
    if isinstance(trust_radius, str) or not trust_radius > 0:
        raise SettingsError(f"optimizer.options: `trust_radius` must be a number above 0, got {trust_radius!r}")
    return optax.chain(
        natural_gradient(), optax.scale_by_learning_rate(learning_rate), clip_by_fisher_norm(trust_radius)
    )


def _checked(
    name: str, make: Callable[..., optax.GradientTransformation], options: Mapping[str, Option]
) -> dict[str, Any]:
    """The options, if the optimiser takes all of them."""
    accepted = [option for option in inspect.signature(make).parameters if option != "learning_rate"]
    unknown = [option for option in options if option not in accepted]
    if unknown:
        raise SettingsError(
            f"optimizer.options: '{name}' does not take {', '.join(unknown)}; it takes {', '.join(accepted)}"
        )
    return dict(options)
