"""What only the extra `baselines` brings."""

from __future__ import annotations

from importlib.util import find_spec

from biglearn_sampler.errors import MissingPackage


def needs_blackjax(name: str) -> None:
    """See that BlackJAX is there.

    Raises:
        MissingPackage: it is not, with how to get it.
    """
    if find_spec("blackjax") is None:
        raise MissingPackage(
            f"{name} needs BlackJAX, which is not installed; run `pip install 'biglearn-sampler[baselines]'`"
        )
