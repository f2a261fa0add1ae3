"""Whether a trained mixture makes NUTS right: chains with jumps, importance resampling, and NUTS alone.

    python benchmarks/hybrid.py [--seeds 0-9]      measure, and add to results/hybrid.jsonl; some minutes a seed
    python benchmarks/hybrid.py --table            write results/hybrid.md from it

On `funnel` the mean and square of the first coordinate, the mean logarithm of a second one's square and the mass of the
neck are known; on `rings` the masses of the three rings. Every estimate is told in units of its own Monte Carlo error,
with chains by their effective sample size and resampled draws by the effective size of their weights: up to 4 is right.
All chains begin in the declared region, with the same numbers of chains and iterations.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.diagnostics import split_gelman_rubin
from numpyro.infer import MCMC, NUTS
from report import RESULTS, add_row, commit, latest_rows, write_table

import biglearn_sampler as bl
from biglearn_sampler.evaluation.importance import effective_count

ROWS = RESULTS / "hybrid.jsonl"

CHAINS, WARMUP, DRAWS = 4, 1000, 5000
ACCEPT = 0.95
"""Shorter steps than NumPyro's default: they help NUTS alone in the neck of the funnel."""

NECK = -5.0

MOST = 4.0
"""Errors by which an estimate may be off."""

MEAN_LOG_CHI_SQUARE = -1.2703628454614782
"""Of one degree of freedom: digamma(1/2) + log 2."""

Quantities = Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-9", help="first and last seed")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if arguments.table:
        write(latest_rows(ROWS, "target", "method", "seed"))
        return
    first, last = map(int, arguments.seeds.split("-"))
    for seed in range(first, last + 1):
        for name, known in (("funnel", funnel()), ("rings", rings())):
            for row in measured(name, known, seed):
                add_row(ROWS, {**row, "target": name, "seed": seed, "commit": commit()})


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for every target, method and estimate."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["target"], row["method"]), []).append(row)
    lines = []
    for (target, method), mine in sorted(groups.items()):
        reductions = [row["r_hat"] for row in mine if row["r_hat"] is not None]
        about = [
            f"{max(reductions):.2f}" if reductions else "-",
            f"{statistics.median(row['evaluations'] for row in mine):,.0f}",
            str(len(mine)),
        ]
        for name in mine[0]["estimates"]:
            told = [row["estimates"][name] for row in mine]
            means, distances = [one["mean"] for one in told], [one["distance"] for one in told]
            known = [abs(distance) for distance in distances if distance is not None]
            within = sum(distance <= MOST for distance in known)
            figures = [
                f"{told[0]['truth']:.4f}",
                f"{statistics.fmean(means):.4f}",
                f"{min(means):.4f} to {max(means):.4f}",
                f"{max(known):.1f}" if known else "no error",
                f"{within} of {len(told)}",
            ]
            lines.append([target, method, name, *figures, *about])
        if not mine[0]["estimates"]:
            lines.append([target, method, *["-"] * 6, *about])
    columns = ("target", "method", "estimate of", "truth", "mean", "seeds", "farthest, errors", f"within {MOST:.0f}")
    write_table(
        "hybrid",
        "NUTS with and without jumps from a trained mixture",
        "python benchmarks/hybrid.py",
        (*columns, "largest R-hat", "evaluations", "runs"),
        lines,
        f"{CHAINS} chains of {WARMUP:,} iterations of warm-up and {DRAWS:,} draws, each with one jump. The evaluations "
        "are those of the method alone, the median over seeds; those of the training are in the row of the mixture. An "
        "estimate without an error (all chains on one side) is not within. No error can tell of a tail that is never "
        "visited: below x0 = -9 the funnel has a mass of 0.0013, and the mixture nearly none. Commits "
        f"{', '.join(sorted({row['commit'] for row in rows}))}.",
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


def measured(name: str, known: Quantities, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of one target, method by method."""
    target = bl.target(name)
    run = bl.train(name, seed=seed, settings={"reports": []})
    trained = run.metrics["energy_evaluations"] + run.metrics["gradient_evaluations"]
    resampled = bl.resample(run.sampler, target, jax.random.key(seed), CHAINS * DRAWS)
    worth = min(CHAINS * DRAWS, resampled.ess * resampled.evaluations.total)

    def energy(point: jax.Array) -> jax.Array:
        return -target.log_density(point)

    yield {"method": "the mixture", "evaluations": trained, "ess": run.metrics["ess"], "estimates": {}, "r_hat": None}
    yield {"method": "resampled", "evaluations": resampled.evaluations.total, **told(known, resampled.points, worth)}
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
        yield {"method": method, "evaluations": cost, **told(known, points, None)}


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


def told(known: Quantities, points: np.ndarray, worth: float | None) -> dict[str, Any]:
    """Every estimate with its distance from the truth in its own errors, and the largest R-hat."""
    estimates, reductions = {}, []
    for name, (of, truth) in known.items():
        values = np.asarray(of(points), float)
        split = values.reshape(CHAINS, -1)
        count = effective_count(split) if worth is None else worth
        error = float(values.std() / math.sqrt(count))
        distance = float(values.mean() - truth) / error if error > 0 else None
        estimates[name] = {"mean": float(values.mean()), "truth": truth, "error": error, "distance": distance}
        if error > 0:
            reductions.append(float(split_gelman_rubin(split)))
    return {"estimates": estimates, "r_hat": max(reductions) if worth is None and reductions else None}


if __name__ == "__main__":
    main()
