"""An energy of your own beside MCMC, at the same number of evaluations: a table, sentences and a page.

A script in cells, as notebooks have them; `comparison` as the last line of a cell shows the table and a picture.
"""

# %%
import jax.numpy as jnp

import biglearn_sampler as bl


# %% Two valleys with a barrier of twenty between them; no chain crosses them by itself
def log_density(x):
    return jnp.logaddexp(jnp.log(0.8) - 0.5 * jnp.sum((x - 4.5) ** 2), jnp.log(0.2) - 0.5 * jnp.sum((x + 4.5) ** 2))


target = bl.target(log_density, dim=2, scale=6.0)

# %% Every method may spend 100,000 evaluations on each of two seeds
comparison = bl.compare(target, baselines=["nuts", "parallel_tempering"], budget=100_000, seeds=2, out="comparison")
print("exact mean of x[0] 2.700")
for method in comparison.methods:
    trial = comparison.trial(method)
    share = trial.figures["moments"]["x[0]"]
    print(f"{method:20s} mean of x[0] {share['mean']:7.3f} +- {share['mcse']:.3f}, {trial.evaluations:,} evaluations")

# %% The page is in comparison/report.html, the figures in comparison/results.csv
print(comparison.folder)
