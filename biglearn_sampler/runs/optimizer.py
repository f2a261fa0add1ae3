"""The optimiser that settings ask for."""

from __future__ import annotations

import optax

from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning import build_optimizer
from biglearn_sampler.learning.optimizer import NATURAL
from biglearn_sampler.runs.settings import OptimizerSettings, Settings
from biglearn_sampler.runs.settings_problem import SettingsProblem


def optimizer_of(settings: OptimizerSettings, steps: int) -> optax.GradientTransformation:
    """The optimiser for a training of so many steps.

    Raises:
        SettingsError: there is no such optimiser, or it cannot be used with its options.
    """
    return build_optimizer(
        settings.name,
        settings.learning_rate,
        steps,
        decay=settings.decay,
        final=settings.final,
        options=settings.options,
    )


def advised(what: str, settings: Settings) -> str:
    """What went wrong with a sampler, and before it what to change first: steps of optax know no trust region."""
    optimizer = settings.optimizer
    if settings.method == "adaptive" or optimizer.name == NATURAL:
        return what
    return (
        f"lower optimizer.learning_rate (now {optimizer.learning_rate:g}), or use optimizer.name={NATURAL}: with "
        f"'{optimizer.name}' {what}"
    )


def optimizer_problem(settings: OptimizerSettings) -> list[SettingsProblem]:
    """What is wrong with the optimiser: nothing, or one problem."""
    try:
        optimizer_of(settings, steps=1)
    except SettingsError as error:
        key, _, text = str(error).partition(": ")
        return [SettingsProblem(tuple(key.split(".")), text)]
    return []
