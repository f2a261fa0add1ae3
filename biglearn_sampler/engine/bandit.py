"""Which kind of proposal to try next, learnt from what became of the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

FORGETTING = 0.9
"""What a past trial counts for after another round: what served early need not serve late."""

PRIOR_WINS, PRIOR_TRIALS = 1.0, 4.0
"""As if every kind had been tried four times and won once: none is given up, none is sure."""


@dataclass
class Bandit:
    """Shares of several kinds, in proportion to their rate of success so far.

    Arguments:
        kinds: by name.
        wins, trials: discounted counts of each kind.
    """

    kinds: Sequence[str]
    wins: dict[str, float] = field(default_factory=dict)
    trials: dict[str, float] = field(default_factory=dict)

    def rate(self, kind: str) -> float:
        """Expected success of a kind, between 0 and 1."""
        return (self.wins.get(kind, 0.0) + PRIOR_WINS) / (self.trials.get(kind, 0.0) + PRIOR_TRIALS)

    @property
    def rates(self) -> dict[str, float]:
        """Of all kinds, rounded for the record."""
        return {kind: round(self.rate(kind), 3) for kind in self.kinds}

    def choose(self, possible: Sequence[str], generator: np.random.Generator) -> str:
        """One of the possible kinds, each with a probability in proportion to its rate."""
        rates = np.array([self.rate(kind) for kind in possible])
        return possible[int(generator.choice(len(possible), p=rates / rates.sum()))]

    def learn(self, kind: str, won: bool) -> None:
        """Take in what became of a trial."""
        self.wins[kind] = self.wins.get(kind, 0.0) + won
        self.trials[kind] = self.trials.get(kind, 0.0) + 1.0

    def forget(self) -> None:
        """Let a round pass."""
        self.wins = {kind: FORGETTING * value for kind, value in self.wins.items()}
        self.trials = {kind: FORGETTING * value for kind, value in self.trials.items()}
