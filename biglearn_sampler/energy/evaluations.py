"""How often a target was asked, told apart by what was asked for."""

from __future__ import annotations

from typing import NamedTuple


class Evaluations(NamedTuple):
    """Counts of evaluations; they add up element by element with `plus`.

    Arguments:
        energy: points at which only the log density was computed.
        gradient: points at which the gradient was computed. The value comes with it and is not counted again,
            as one leapfrog step of Hamiltonian Monte Carlo counts once.
        exact_channel: points at which a target's closed-form channel was used: information that an energy
            alone does not give.
    """

    energy: int = 0
    gradient: int = 0
    exact_channel: int = 0

    @property
    def total(self) -> int:
        """All kinds together."""
        return int(sum(self))

    def plus(self, other: Evaluations) -> Evaluations:
        """The sum of two counts."""
        return Evaluations(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, count: int) -> Evaluations:
        """The counts of `count` repetitions."""
        return Evaluations(*(count * value for value in self))

    def to_json(self) -> dict[str, int]:
        """As it stands in `metrics.json`."""
        return {f"{name}_evaluations": int(value) for name, value in self._asdict().items()}
