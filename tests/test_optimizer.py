"""Optimisers by name, their options, and their learning rates over the training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biglearn_sampler.errors import SettingsError
from biglearn_sampler.learning import build_optimizer
from biglearn_sampler.learning.optimizer import Decay
from biglearn_sampler.mixture import GaussianMixture, UnconstrainedMixture, unconstrain

PARAMETERS = unconstrain(GaussianMixture.of(np.zeros((1, 2)), 1.0))
GRADIENT = jax.tree.map(jnp.zeros_like, PARAMETERS)._replace(means=jnp.array([[1.0, 0.0]]))
STEPS = 10


def built(
    name: str = "sgd", decay: Decay = "constant", final: float = 0.1, **options: Any
) -> optax.GradientTransformation:
    return build_optimizer(name, 0.5, STEPS, decay=decay, final=final, options=options)


def moves(optimizer: optax.GradientTransformation, count: int = 1) -> np.ndarray:
    """How far each of the first steps goes along the first coordinate, under a constant gradient."""

    @jax.jit
    def update(state: optax.OptState) -> tuple[optax.Updates, optax.OptState]:
        return optimizer.update(GRADIENT, state, PARAMETERS)

    state, told = optimizer.init(PARAMETERS), []
    for _ in range(count):
        step, state = update(state)
        assert isinstance(step, UnconstrainedMixture)
        told.append(-float(step.means[0, 0]))
    return np.array(told)


@pytest.mark.parametrize("name", ["natural", "sgd", "adam"])
def test_a_constant_learning_rate_stays(name: str) -> None:
    np.testing.assert_allclose(moves(built(name), 12), 0.5, rtol=1e-4)


@pytest.mark.parametrize("name", ["natural", "sgd"])
def test_a_cosine_falls_to_its_final_share_and_stays_there(name: str) -> None:
    share = 0.5 * (1 + np.cos(np.pi * np.minimum(np.arange(12) / STEPS, 1.0)))
    np.testing.assert_allclose(moves(built(name, "cosine"), 12), 0.5 * (0.1 + 0.9 * share), rtol=1e-4)


def test_the_trust_radius_bounds_the_natural_step_that_is_made() -> None:
    """The unit of length is a standard deviation, which is 1 here."""
    np.testing.assert_allclose(moves(built("natural", trust_radius=0.2)), 0.2, rtol=1e-5)
    np.testing.assert_allclose(moves(built("natural", trust_radius=3.0)), 0.5, rtol=1e-5)


def test_options_reach_the_optimiser() -> None:
    np.testing.assert_allclose(moves(built("sgd", momentum=0.5), 3), [0.5, 0.75, 0.875], rtol=1e-5)


@pytest.mark.parametrize("name", ["steepest", "", "adam2", "clip_by_global_norm", "GradientTransformation", "__name__"])
def test_a_name_that_is_no_optimiser_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"optimizer.name: there is no optimiser '{name}'; expected 'natural' or"):
        built(name)


def test_every_name_of_optax_gives_an_optimiser_or_is_refused() -> None:
    usable = []
    for name in dir(optax):
        try:
            optimizer = built(name)
        except SettingsError as error:
            assert name in str(error)
            continue
        jax.eval_shape(optimizer.update, GRADIENT, optimizer.init(PARAMETERS), PARAMETERS)
        usable.append(name)
    assert {"sgd", "adam", "adamw", "lion", "rmsprop"} <= set(usable)


def test_an_optimiser_that_needs_more_than_gradients_is_refused() -> None:
    with pytest.raises(SettingsError, match="optimizer: 'lbfgs' cannot be used with the options {}: TypeError"):
        built("lbfgs")


@pytest.mark.parametrize("name", ["rprop", "sm3"])
def test_an_optimiser_that_takes_no_rate_that_decays_says_what_it_needs(name: str) -> None:
    with pytest.raises(SettingsError, match=f"optimizer: '{name}' takes no rate .*: needs optimizer.decay=constant$"):
        built(name, "cosine")
    assert np.isfinite(moves(built(name))).all()


def test_an_option_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(SettingsError, match="optimizer: 'adam' cannot be used with the options {'b1': 'high'}"):
        built("adam", b1="high")


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("natural", {"radius": 1.0}, "'natural' does not take radius; it takes trust_radius"),
        ("sgd", {"b1": 0.9, "eps": 1e-8}, "'sgd' does not take b1, eps; it takes momentum, nesterov"),
        ("adam", {"learning_rate": 1.0}, "'adam' does not take learning_rate"),
        ("natural", {"trust_radius": 0.0}, "`trust_radius` must be a number above 0, got 0.0"),
        ("natural", {"trust_radius": -1.0}, "`trust_radius` must be a number above 0, got -1.0"),
        ("natural", {"trust_radius": float("nan")}, "`trust_radius` must be a number above 0, got nan"),
        ("natural", {"trust_radius": "wide"}, "`trust_radius` must be a number above 0, got 'wide'"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_options_that_make_no_sense_are_refused(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=f"optimizer.options: {text}"):
        built(name, **options)
