"""What a NumPyro model's energy and gradient cost through our target, against its own `potential_fn` by hand.

    python benchmarks/energy_evaluation.py

Both are compiled, take a batch of 1,000 points and give values and gradients: ours of points in one array, with the
data passed to the compiled code; by hand `jit(vmap(value_and_grad(potential_fn)))` of a dict of sites. They are timed
in turn, the first of each pair changing, in one process; the table has the median of the ratios of pairs. A minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions.transforms import OrderedTransform
from numpyro.infer.util import initialize_model
from report import write_table

import biglearn_sampler as bl
from biglearn_sampler.energy import split_arrays

BATCH = 1000
PAIRS = 300
ROUNDS = 5
"""The pairs are told apart in so many rounds, to show how far the ratio is steady."""


def eight_schools(effects: Any, errors: Any) -> None:
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", len(effects)):
        theta = numpyro.sample("theta", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(mu + tau * theta, errors), obs=effects)


def logistic_regression(features: Any, labels: Any) -> None:
    spread = numpyro.sample("spread", dist.HalfNormal(1.0))
    weights = numpyro.sample("weights", dist.Normal(0.0, spread).expand([features.shape[1]]).to_event(1))
    numpyro.sample("labels", dist.Bernoulli(logits=features @ weights), obs=labels)


def two_components(values: Any) -> None:
    """A mixture with ordered means, a simplex and two scales: every kind of transform."""
    shares = numpyro.sample("shares", dist.Dirichlet(jnp.ones(2)))
    ordered = dist.TransformedDistribution(dist.Normal(jnp.zeros(2), 2.0).to_event(1), OrderedTransform())
    means = numpyro.sample("means", ordered)
    scales = numpyro.sample("scales", dist.HalfNormal(2.0).expand([2]).to_event(1))
    numpyro.sample("values", dist.MixtureSameFamily(dist.Categorical(shares), dist.Normal(means, scales)), obs=values)


def main() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(500, 20)).astype(np.float32)
    labels = (random.random(500) < 0.5).astype(np.float32)
    values = np.concatenate([random.normal(-2.0, 1.0, 120), random.normal(2.0, 0.5, 80)]).astype(np.float32)
    effects = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], np.float32)
    errors = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], np.float32)
    rows = [
        _row("eight schools, 10 coordinates", eight_schools, effects, errors),
        _row("mixture of two, 200 values, 5 coordinates", two_components, values),
        _row("logistic regression, 500 x 20, 21 coordinates", logistic_regression, features, labels),
    ]
    write_table(
        "energy_evaluation",
        "Energy and gradient of NumPyro models, batch 1,000",
        "python benchmarks/energy_evaluation.py",
        ("model", "by hand, us", "our target, us", "ratio", "ratio by round"),
        rows,
        f"Medians of {PAIRS * ROUNDS:,} pairs; the bar is a ratio of 1.1.",
    )


def _row(name: str, model: Callable[..., None], *data: Any) -> list[str]:
    target = bl.from_numpyro(model, *data)
    points = 0.1 * jax.random.normal(jax.random.key(0), (BATCH, target.dim))
    arrays, rebuilt = split_arrays(target)
    through_target = jax.jit(lambda arrays, x: jax.vmap(jax.value_and_grad(rebuilt(arrays).log_density))(x))

    potential = initialize_model(jax.random.key(0), model, model_args=data).potential_fn
    by_hand = jax.jit(jax.vmap(jax.value_and_grad(potential)))
    sites = jax.vmap(target.unravel)(points)

    ours, theirs = (lambda: through_target(arrays, points)), (lambda: by_hand(sites))
    np.testing.assert_allclose(ours()[0], -theirs()[0], rtol=1e-4)
    times = np.array([_pair(ours, theirs, swapped=pair % 2 == 1) for pair in range(PAIRS * ROUNDS)])
    ratios = (times[:, 0] / times[:, 1]).reshape(ROUNDS, PAIRS)
    mine, other = np.median(times, axis=0) * 1e6
    by_round = ", ".join(f"{ratio:.2f}" for ratio in np.median(ratios, axis=1))
    return [name, f"{other:.0f}", f"{mine:.0f}", f"{np.median(ratios):.2f}", by_round]


def _pair(first: Callable[[], Any], second: Callable[[], Any], *, swapped: bool) -> tuple[float, float]:
    """Seconds of both, run one right after the other."""
    if swapped:
        after, before = _seconds(second), _seconds(first)
        return before, after
    return _seconds(first), _seconds(second)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
