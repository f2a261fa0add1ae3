"""What is known about a target. Metrics and tests may look at it; training never does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Array, Float, Key


@dataclass(frozen=True, kw_only=True)
class ReferenceMoments:
    """Mean and standard deviation of one number, from draws that somebody made and checked, with their errors.

    Arguments:
        mean, sd: over the reference draws.
        mean_error, sd_error: Monte Carlo standard errors of both.
    """

    mean: float
    sd: float
    mean_error: float
    sd_error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """The answers, where somebody knows them; whatever is unknown stays `None`.

    Arguments:
        log_z: `log Z = log integral exp(log_density(x)) dx` of the density as written.
        modes: one representative point of each mode, shape `(modes, dim)`.
        mode_weights: the true mass of each mode, shape `(modes,)`, summing to one.
        responsibilities: the probability of each mode given a point, `(dim,)` to `(modes,)`. Its mean over
            exact draws is `mode_weights`. A partition of space is the special case of zeros and a one.
        sample: exact independent draws, `(key, count)` to `(count, dim)`.
        reference: of numbers among the target's quantities, named as in `metrics["moments"]` (`theta[3]`), what
            published reference draws say.
    """

    log_z: float | None = None
    modes: Float[Array, "modes dim"] | None = None
    mode_weights: Float[Array, " modes"] | None = None
    responsibilities: Callable[[Float[Array, " dim"]], Float[Array, " modes"]] | None = None
    sample: Callable[[Key[Array, ""], int], Float[Array, "count dim"]] | None = None
    reference: Mapping[str, ReferenceMoments] | None = None

    def __post_init__(self) -> None:
        together = (self.modes is None, self.mode_weights is None, self.responsibilities is None)
        if len(set(together)) != 1:
            raise ValueError("modes, mode_weights and responsibilities are known together or not at all")
        if self.modes is not None and self.mode_weights is not None:
            if self.mode_weights.shape != (len(self.modes),):
                raise ValueError(
                    f"{len(self.modes)} modes need as many mode_weights, got shape {self.mode_weights.shape}"
                )


UNKNOWN = Facts()
"""Nothing is known. One object for all, since compiled code is kept for equal facts only."""
