"""What the engine tells while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine.moves import Move
from biglearn_sampler.mixture import Mixture


@dataclass(frozen=True, eq=False)
class EngineProgress:
    """What is known after a stretch of steps.

    Arguments:
        phase: `search`, `settle`, `refine`, `factors` or `polish`.
        step: gradient steps done.
        mixture: the sampler so far, in the coordinates of training.
        elbo: `E_p[log q - log p]` as the phase knows it, up to noise; `None` where it does not.
        evaluations: since the beginning.
        by_purpose: the same, by what they were asked for.
        zero_density: points so far where the target's density was zero or not finite.
        rejected: components so far whose steps were taken back, since they did not end with finite numbers.
        moves: what happened to components since the stretch before.
        told: further figures of the phase.
        seconds: since the beginning.
        seconds_compile: of these, how many went into compilation, or into fetching what was compiled before.
    """

    phase: str
    step: int
    mixture: Mixture
    elbo: float | None
    evaluations: Evaluations
    by_purpose: Mapping[str, Evaluations]
    zero_density: int
    rejected: int = 0
    moves: Sequence[Move] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_compile: float = 0.0


EngineListener = Callable[[EngineProgress], None]
