"""Where an adaptive training stands between two units of work: all that the next one depends on.

    Exploring -> Settling -> Exploring ... -> Judging -> Dividing -> Factoring -> Outcome
                                                 |           `-----> Refining  -> Outcome
                                                 `--> Outcome

Where somebody finds modes that an outcome lacks, a settled one goes on as `Settling`, a refined one as `Refining`.

Every state is a value: what is made from it is made again, bit for bit, if the work is interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt32

from biglearn_sampler.engine.account import Books
from biglearn_sampler.engine.archive import Archive
from biglearn_sampler.engine.refine import Refinement
from biglearn_sampler.engine.region import Region
from biglearn_sampler.engine.search import SearchState
from biglearn_sampler.engine.settle import Fit
from biglearn_sampler.engine.structure import Blocks
from biglearn_sampler.mixture import FactoredMixture, GaussianMixture

WORD = 2**128
"""Numbers in the state of a generator are smaller."""


@dataclass(frozen=True)
class GeneratorState:
    """The state of NumPy's default generator, PCG64, between two draws.

    Arguments:
        state, increment: of 128 bits each.
        has_uint32: whether half of the last 64 bits is still to be given away.
        uinteger: that half.
    """

    state: int
    increment: int
    has_uint32: int
    uinteger: int

    def __post_init__(self) -> None:
        halves = self.has_uint32 in (0, 1) and 0 <= self.uinteger < 2**32
        if not halves or not 0 <= self.state < WORD or not 0 <= self.increment < WORD:
            raise ValueError("expected the state of a PCG64 generator")

    @classmethod
    def of(cls, generator: np.random.Generator) -> GeneratorState:
        """As a generator is now."""
        state: dict[str, Any] = dict(generator.bit_generator.state)
        words = state["state"]
        return cls(words["state"], words["inc"], state["has_uint32"], state["uinteger"])

    def generator(self) -> np.random.Generator:
        """A generator that goes on from here."""
        bits = np.random.PCG64()
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": self.state, "inc": self.increment},
            "has_uint32": self.has_uint32,
            "uinteger": self.uinteger,
        }
        return np.random.Generator(bits)


@dataclass(frozen=True, eq=False)
class Exploring:
    """Searchers look for modes, past those that are known. A unit is one round.

    Arguments:
        search: as it stands.
        fit: of the modes that were found before, if they were fitted.
        before: variance of the fit before that one.
        news: modes found since the fit.
    """

    search: SearchState
    fit: Fit | None = None
    before: float = np.inf
    news: int = 0


@dataclass(frozen=True, eq=False)
class Settling:
    """All modes that were found are about to be fitted together.

    Arguments:
        search: as it ended.
        fit: the one before, if there was one.
    """

    search: SearchState
    fit: Fit | None


@dataclass(frozen=True, eq=False)
class Judging:
    """A fit is about to be judged on fresh points."""

    search: SearchState
    fit: Fit


@dataclass(frozen=True, eq=False)
class Dividing:
    """The target is no small mixture: the energy is about to be asked whether it is a sum."""

    archive: Archive
    fit: Fit


@dataclass(frozen=True, eq=False)
class Factoring:
    """It is: every group of coordinates gets a sampler of its own. A unit is one of them.

    Arguments:
        archive, fit: of the whole.
        blocks: the groups.
        factors: samplers of the first groups.
    """

    archive: Archive
    fit: Fit
    blocks: Blocks
    factors: tuple[GaussianMixture, ...] = ()


@dataclass(frozen=True, eq=False)
class Refining:
    """It is not: many components are annealed. A unit is one stretch of steps.

    Arguments:
        modes: number of modes that were found.
        evidence: log of the mass that they account for.
        region: over which fresh components begin.
        refinement: as it stands.
    """

    modes: int
    evidence: float
    region: Region
    refinement: Refinement


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an adaptive training ended with.

    Arguments:
        mixture: the sampler, in the coordinates of training.
        how: `settled` (a mixture of the modes found is the target, as far as was looked), `factored`, `refined`, or
            `stopped` by the budget.
        modes: number of modes that were found.
        evidence: log of the mass that they account for; of a refined sampler, of all that it sees.
        grounds: the figures for which the training ended so: `rounds` of the search and `failures` (searchers in a row
            that found nothing new), `variance` of `log q - log p`, `effective_share` of a refinement after its last
            `cycles` (of truncated weights), `blocks` of a product.
    """

    mixture: GaussianMixture | FactoredMixture
    how: str
    modes: int
    evidence: float
    grounds: Mapping[str, float]


Stage = Exploring | Settling | Judging | Dividing | Factoring | Refining | Outcome


@dataclass(frozen=True, eq=False)
class EngineState:
    """An adaptive training between two units of work.

    Arguments:
        stage: what comes next, and what it needs.
        key: data of the key that everything compiled draws from.
        generator: of everything that is drawn on the host.
        step: gradient steps done.
        books: evaluations and seconds so far.
        seconds_compile: of these, how many went into compilation.
        resumptions: how many times it went on after its end, with modes that it had missed.
        moves: what happened to components since the listener was told last, each as JSON.
    """

    stage: Stage
    key: UInt32[np.ndarray, " words"]
    generator: GeneratorState
    step: int = 0
    books: Books = Books()
    seconds_compile: float = 0.0
    resumptions: int = 0
    moves: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return isinstance(self.stage, Outcome)
