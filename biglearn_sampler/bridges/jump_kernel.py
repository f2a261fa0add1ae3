"""Jumps from a trained mixture between the trajectories of a local kernel, under NumPyro's `MCMC`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key
from numpyro.infer import HMC
from numpyro.infer.mcmc import MCMCKernel

from biglearn_sampler.errors import UserError
from biglearn_sampler.mixture import Mixture


class JumpState(NamedTuple):
    """The state of a chain.

    Arguments:
        z: the unconstrained point, as the inner kernel holds it.
        inner: the state of the inner kernel, whose own fields are extra fields such as `inner.num_steps`.
        jump_prob: mean probability of the jumps of the last iteration.
        rng_key: of the jumps that come, of the kind that NumPyro was given.
    """

    z: Any
    inner: Any
    jump_prob: Float[Array, "*chains"]
    rng_key: Array

    @property
    def diverging(self) -> Bool[Array, "*chains"]:
        """Whether the trajectory of the inner kernel diverged."""
        return self.inner.diverging


class JumpKernel(MCMCKernel):
    """Hamiltonian Monte Carlo that changes modes: after every trajectory, jumps proposed by a trained mixture.

    A jump proposes `y ~ p`, the mixture, whatever the present point `x`, and is accepted with probability

        min(1, q(y) p(x) / (q(x) p(y))),

    so that both moves, and their alternation, leave the target `q` unchanged however good or bad the mixture is. Its
    modes and masses decide how soon the chain is everywhere. Where the mixture has far less mass than the target a
    chain stays for long; there the trajectories have to lead out.

    An iteration asks the energy once for each jump, and its gradient once more than the inner kernel, which says how
    often (`inner.num_steps`). Extra fields: `jump_prob`, and those of the inner state under `inner.`.

    Arguments:
        mixture: proposals; of `run.sampler` for a target of `from_numpyro`, the coordinates are the model's own.
        inner: NumPyro's `HMC` or `NUTS`, with a model or with `potential_fn`.
        jumps: after every trajectory, at least 1.

    Raises:
        UserError: another inner kernel or number of jumps; in `init`, a mixture of another dimension.

    Reference: Tierney, Annals of Statistics 22 (1994), sections 2.3.3 and 2.4 (independence chains and cycles).

    Example:
        >>> import jax, numpyro.infer, biglearn_sampler as bl
        >>> mixture = bl.GaussianMixture.of([[-5.0], [5.0]], 1.0)
        >>> inner = numpyro.infer.NUTS(potential_fn=lambda z: -mixture.log_density(z))
        >>> kernel = bl.JumpKernel(mixture, inner)
        >>> mcmc = numpyro.infer.MCMC(kernel, num_warmup=100, num_samples=500, progress_bar=False)
        >>> mcmc.run(jax.random.key(0), init_params=mixture.means[0])
        >>> bool(abs((mcmc.get_samples() > 0).mean() - 0.5) < 0.1)
        True
    """

    def __init__(self, mixture: Mixture, inner: MCMCKernel, *, jumps: int = 1) -> None:
        if not isinstance(inner, HMC):
            raise UserError(f"the inner kernel must be HMC or NUTS of NumPyro, got {type(inner).__name__}")
        if jumps < 1:
            raise UserError(f"jumps must be at least 1, got {jumps}")
        self.mixture, self.inner, self.jumps = mixture, inner, jumps

    @property
    def sample_field(self) -> str:
        """Where a state holds the point."""
        return "z"

    @property
    def default_fields(self) -> tuple[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What is collected unasked."""
        return ("z", "diverging")

    @property
    def model(self) -> Callable[..., Any] | None:
        """The model of the inner kernel, if it has one."""
        return self.inner.model

    @property
    def _sample_fn(self) -> Any:
        """Whether the inner kernel is ready; `MCMC` looks here before it goes on from a state."""
        return self.inner._sample_fn

    def postprocess_fn(self, model_args: tuple[Any, ...], model_kwargs: dict[str, Any]) -> Callable[..., Any]:
        """From unconstrained points to the values of the model's sites."""
        return self.inner.postprocess_fn(model_args, model_kwargs)

    # NumPyro's own returns an empty text, and is taken to promise that.
    def get_diagnostics_str(self, state: JumpState) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """For the progress bar."""
        return f"{self.inner.get_diagnostics_str(state.inner)} jump prob={state.jump_prob:.2f}"

    def init(
        self,
        rng_key: Array,
        num_warmup: int,
        init_params: Any,
        model_args: tuple[Any, ...],
        model_kwargs: dict[str, Any],
    ) -> JumpState:
        """The state before the first iteration; with several keys, of several chains."""
        own = _typed(rng_key)
        keys = jax.vmap(jax.random.split)(own) if own.ndim else jax.random.split(own)
        inner = self.inner.init(keys[..., 0], num_warmup, init_params, model_args, model_kwargs)
        one = jax.tree.map(lambda leaf: leaf[0], inner.z) if own.ndim else inner.z
        dim = ravel_pytree(one)[0].size
        if dim != self.mixture.dim:
            raise UserError(f"the mixture has {self.mixture.dim} coordinates, and the points of the chain {dim}")
        return JumpState(inner.z, inner, jnp.zeros(own.shape), _like(rng_key, keys[..., 1]))

    def sample(self, state: JumpState, model_args: tuple[Any, ...], model_kwargs: dict[str, Any]) -> JumpState:
        """The state after one trajectory and the jumps behind it."""

        def jumped(key: Key[Array, ""], inner: Any) -> JumpState:
            return self._jumped(key, inner, model_args, model_kwargs)

        own = _typed(state.rng_key)
        keys = jax.vmap(jax.random.split)(own) if own.ndim else jax.random.split(own)
        # Every draw comes from the one key of this state, which is all that `MCMC` replaces when it goes on.
        begun = state.inner._replace(rng_key=keys[..., 0])
        inner = self.inner.sample(begun, model_args, model_kwargs)
        after = (jax.vmap(jumped) if own.ndim else jumped)(keys[..., 1], inner)
        return after._replace(rng_key=_like(state.rng_key, after.rng_key))

    def _jumped(
        self, key: Key[Array, ""], inner: Any, model_args: tuple[Any, ...], model_kwargs: dict[str, Any]
    ) -> JumpState:
        """One chain after its jumps."""
        key, key_proposals, key_uniforms = jax.random.split(key, 3)
        potential = self.inner.get_potential_fn(model_args, model_kwargs)
        first, unravel = ravel_pytree(inner.z)
        proposals = self.mixture.sample(key_proposals, self.jumps).astype(first.dtype)
        thresholds = jnp.log(jax.random.uniform(key_uniforms, (self.jumps,), first.dtype))

        def log_weight(point: Float[Array, " dim"], energy: Float[Array, ""]) -> Float[Array, ""]:
            """`log q - log p`; density zero where the energy is no number."""
            return jnp.where(jnp.isfinite(energy), -energy - self.mixture.log_density(point), -jnp.inf)

        def jump(number: Int[Array, ""], carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            point, weight, total = carry
            proposal = proposals[number]
            proposed = log_weight(proposal, potential(unravel(proposal)))
            # From where the density is zero every proposal that has one is taken.
            log_ratio = jnp.where(proposed == -jnp.inf, -jnp.inf, jnp.minimum(proposed - weight, 0.0))
            taken = thresholds[number] < log_ratio
            point = jnp.where(taken, proposal, point)
            return point, jnp.where(taken, proposed, weight), total + jnp.exp(log_ratio)

        begun = (first, log_weight(first, inner.potential_energy), jnp.zeros((), first.dtype))
        point, _, total = jax.lax.fori_loop(0, self.jumps, jump, begun)
        inner = self.inner.refresh(inner._replace(z=unravel(point)), model_args, model_kwargs)
        return JumpState(inner.z, inner, total / self.jumps, key)


def _typed(key: Array) -> Key[Array, "*chains"]:
    """A key, or one for each chain, of the new kind; `jax.random.PRNGKey` makes the old one."""
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


def _like(given: Array, key: Key[Array, "*chains"]) -> Array:
    """A key of the same kind as the one that was given, since a state keeps the types that it began with."""
    return key if jnp.issubdtype(given.dtype, jax.dtypes.prng_key) else jax.random.key_data(key)
