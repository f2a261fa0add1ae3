"""What ensembles of walkers have in common: how many there are, and that nobody knows their energies."""

from __future__ import annotations


def walker_count(walkers: int, dim: int) -> int:
    """An even number of at least `walkers`, and of at least twice the dimension, so that walkers span it."""
    most = max(walkers, 2 * dim)
    return most + most % 2


def check_walkers(walkers: int, warmup: int, draws: int) -> None:
    """See that an ensemble can be run.

    Raises:
        ValueError: a number is out of range.
    """
    if walkers < 4 or warmup < 0 or draws < 1:
        raise ValueError(
            "walkers must be at least 4, draws at least 1 and warmup at least 0, "
            f"got walkers={walkers}, draws={draws}, warmup={warmup}"
        )
