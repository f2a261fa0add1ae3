"""The processes that compute together, as the one that decides sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class AbstractTeam(ABC):
    """The processes of a training.

    One of them leads: it alone decides, draws, writes and measures. Whenever it calls a function that is shared, the
    others call the same function with the same arguments, and so all their devices can take part in it.
    """

    size: int
    """Number of processes."""

    follows: bool = False
    """Whether this process follows another one."""

    @abstractmethod
    def shared(self, name: str, function: F, example: Callable[[], Any] | None = None) -> F:
        """A function that all processes call when the leading one does.

        Arguments:
            name: the same in all processes, and of no other function.
            function: takes pytrees of arrays by position, and what JSON can say by keyword.
            example: gives positional arguments of the same structure; by default there are none.
        """

    @abstractmethod
    def agree(self, what: Mapping[str, Any]) -> None:
        """See that all processes were asked for the same.

        Raises:
            SettingsError: they were not; told in the process that follows.
        """

    @abstractmethod
    def dismiss(self) -> None:
        """Let the others go; from here on this process is alone."""


class Alone(AbstractTeam):
    """A single process."""

    size = 1

    def shared(self, name: str, function: F, example: Callable[[], Any] | None = None) -> F:
        """The function itself."""
        return function

    def agree(self, what: Mapping[str, Any]) -> None:
        """There is nobody to disagree."""

    def dismiss(self) -> None:
        """There is nobody to let go."""


ALONE = Alone()
