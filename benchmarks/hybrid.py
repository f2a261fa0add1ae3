"""Whether a trained mixture makes NUTS right: chains with jumps, importance resampling, and NUTS alone.

    python benchmarks/hybrid.py [--seed 0]          some five minutes

On `funnel` the mean and square of the first coordinate, the mean logarithm of a second one's square and the mass of the
neck are known; on `rings` the masses of the three rings. Every estimate is told in units of its own Monte Carlo error,
with chains by their effective sample size and resampled draws by the effective size of their weights: up to 4 is right.
All chains begin in the declared region, with the same numbers of chains and iterations.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.diagnostics import split_gelman_rubin
from numpyro.infer import MCMC, NUTS
from report import write_table

import biglearn_sampler as bl
from biglearn_sampler.evaluation.importance import effective_count

CHAINS, WARMUP, DRAWS = 4, 1000, 5000
ACCEPT = 0.95
"""Shorter steps than NumPyro's default: they help NUTS alone in the neck of the funnel."""

NECK = -5.0

MEAN_LOG_CHI_SQUARE = -1.2703628454614782
"""Of one degree of freedom: digamma(1/2) + log 2."""

Quantities = Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    rows = [row for name, known in (("funnel", funnel()), ("rings", rings())) for row in measured(name, known, seed)]
    write_table(
        "hybrid",
        "NUTS with and without jumps from a trained mixture",
        f"python benchmarks/hybrid.py --seed {seed}",
        ("target", "method", "estimates and, in brackets, their distance in errors", "R-hat", "evaluations"),
        rows,
        f"{CHAINS} chains of {WARMUP:,} iterations of warm-up and {DRAWS:,} draws, each with one jump. The evaluations "
        "are those of the method alone; those of the training are in the row of the mixture. No error can tell of a "
        "tail that is never visited: below x0 = -9 the funnel has a mass of 0.0013, and the mixture nearly none.",
    )


def funnel() -> Quantities:
    """What is known of the funnel."""
    return {
        "x0": (lambda points: points[:, 0], 0.0),
        "x0^2": (lambda points: points[:, 0] ** 2, 9.0),
        "log x1^2": (lambda points: np.log(points[:, 1] ** 2), MEAN_LOG_CHI_SQUARE),
        "P(x0 < -5)": (lambda points: points[:, 0] < NECK, 0.5 * math.erfc(-NECK / 3.0 / math.sqrt(2.0))),
    }


def rings() -> Quantities:
    """The masses of the rings."""
    facts = bl.target("rings").facts
    assert facts.responsibilities is not None and facts.mode_weights is not None
    of = jax.jit(jax.vmap(facts.responsibilities))

    def inside(ring: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda points: np.asarray(of(jnp.asarray(points, jnp.float32)))[:, ring]

    return {f"ring {ring + 1}": (inside(ring), float(mass)) for ring, mass in enumerate(facts.mode_weights)}


def measured(name: str, known: Quantities, seed: int) -> list[list[str]]:
    """The rows of one target."""
    target = bl.target(name)
    run = bl.train(name, seed=seed, settings={"reports": []})
    trained = run.metrics["energy_evaluations"] + run.metrics["gradient_evaluations"]
    resampled = bl.resample(run.sampler, target, jax.random.key(seed), CHAINS * DRAWS)
    worth = min(CHAINS * DRAWS, resampled.ess * resampled.evaluations.total)

    def energy(point: jax.Array) -> jax.Array:
        return -target.log_density(point)

    rows = [
        [name, f"the mixture, ESS {run.metrics['ess']:.2f}", "-", "-", f"{trained:,}"],
        [name, "resampled", *told(known, resampled.points, worth), f"{resampled.evaluations.total:,}"],
    ]
    for method, kernel, field in (
        ("NUTS", NUTS(potential_fn=energy, target_accept_prob=ACCEPT), "num_steps"),
        (
            "NUTS with jumps",
            bl.JumpKernel(run.sampler, NUTS(potential_fn=energy, target_accept_prob=ACCEPT)),
            "inner.num_steps",
        ),
    ):
        points, steps = chains(kernel, target, field, seed)
        # A jump asks the energy once and the gradient once; so does every first state the gradient.
        cost = steps + CHAINS + (2 * CHAINS * (WARMUP + DRAWS) if "jumps" in method else 0)
        rows.append([name, method, *told(known, points, None), f"{cost:,}"])
    for row in rows:
        print(row, flush=True)
    return rows


def chains(kernel: Any, target: bl.AbstractTarget, field: str, seed: int) -> tuple[np.ndarray, int]:
    """The draws, chain after chain, and the steps of all trajectories."""
    mcmc = MCMC(
        kernel,
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="sequential",
        progress_bar=False,
    )
    key_start, key = jax.random.split(jax.random.key(seed))
    firsts = target.centre + target.scale * jax.random.normal(key_start, (CHAINS, target.dim))
    mcmc.warmup(key, init_params=firsts, extra_fields=(field,), collect_warmup=True)
    steps = int(np.sum(mcmc.get_extra_fields()[field]))
    assert mcmc.last_state is not None
    mcmc.run(mcmc.last_state.rng_key, extra_fields=(field,))
    steps += int(np.sum(mcmc.get_extra_fields()[field]))
    return np.asarray(mcmc.get_samples(), float), steps


def told(known: Quantities, points: np.ndarray, worth: float | None) -> list[str]:
    """Every estimate with its distance from the truth in its own errors, and the largest R-hat."""
    texts, reductions = [], []
    for name, (of, truth) in known.items():
        values = np.asarray(of(points), float)
        split = values.reshape(CHAINS, -1)
        count = effective_count(split) if worth is None else worth
        error = values.std() / math.sqrt(count)
        distance = f"{(values.mean() - truth) / error:+.1f}" if error > 0 else "no error"
        texts.append(f"{name} {values.mean():.4f} of {truth:.4f} ({distance})")
        reductions.append(float(split_gelman_rubin(split)) if error > 0 else math.nan)
    return ["; ".join(texts), "-" if worth is not None else f"{np.nanmax(reductions):.2f}"]


if __name__ == "__main__":
    main()
