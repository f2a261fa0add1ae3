"""An energy with data and known facts: the metrics then say which modes were found, and with which mass.

A script in cells, as notebooks have them; there `target`, `run` and `run.sampler` show themselves as pictures.
"""

# %%
import jax
import jax.numpy as jnp

import biglearn_sampler as bl

# %% The energy
# Locations of three sources and how strong they are; arrays in `data` are passed to compiled code, not baked in.
SOURCES = jnp.array([[-3.0, 0.0], [2.0, 2.0], [1.0, -3.0]])
STRENGTHS = jnp.array([0.5, 0.3, 0.2])


def log_density(x, sources, strengths):
    squares = jnp.sum((x - sources) ** 2, axis=-1)
    return jax.nn.logsumexp(jnp.log(strengths) - 2.0 * squares)


def responsibilities(x):
    return jax.nn.softmax(jnp.log(STRENGTHS) - 2.0 * jnp.sum((x - SOURCES) ** 2, axis=-1))


# %% What is known of it: for metrics only, the training never looks
facts = bl.Facts(
    log_z=float(jnp.log(jnp.pi / 2.0)),
    modes=SOURCES,
    mode_weights=STRENGTHS,
    responsibilities=responsibilities,
)
target = bl.target(log_density, dim=2, scale=4.0, data=(SOURCES, STRENGTHS), facts=facts)

# %% The sampler and its figures
run = bl.train(target, seed=0)
for name in ("elbo", "log_z", "log_z_error", "ess", "khat", "modes_covered", "modes_total", "mode_mass_tv"):
    value, error = run.metrics[name], run.metrics["standard_errors"].get(name)
    told = "-" if value is None else f"{value:.4f}"  # k-hat has nothing to say of constant weights
    print(f"{name:14s} {told}" + (f" +- {error:.4f}" if error is not None else ""))
print(run.metrics["verdict"]["sentence"])
