"""The interface of a target: a dimension, an unnormalised log density, and a declared region for starting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.catalogue.notebook import html_of
from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import Facts
from biglearn_sampler.energy.origin import origin_of
from biglearn_sampler.mixture import Channel, Mixture

if TYPE_CHECKING:
    from numpyro.distributions import Distribution


class AbstractTarget(ABC):
    """An unnormalised density `q(x) = exp(log_density(x)) / Z` on R^dim; the energy is `-log_density`.

    A subclass gives `dim` and `log_density`; the rest has a default. Subclasses are frozen dataclasses; one
    that is registered as a pytree (`jax.tree_util.register_dataclass`) has its arrays passed to compiled code
    instead of baked into it. A plain function needs no class: see `function_target`.
    """

    kind: ClassVar[str] = "target"

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of coordinates, at least 1."""

    @abstractmethod
    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        """The unnormalised log density of one point; `-inf` where the density is zero."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html_of(self)

    @property
    def centre(self) -> Float[Array, " dim"]:
        """Where to look for the mass at first; declared, not known."""
        return jnp.asarray(np.zeros(self.dim), float)

    @property
    def scale(self) -> Float[Array, " dim"]:
        """How far from the centre to look, one positive number per coordinate; declared, not known."""
        return jnp.asarray(np.ones(self.dim), float)

    @property
    def facts(self) -> Facts:
        """What is known, for metrics and tests only."""
        return Facts()

    @property
    def source_name(self) -> str:
        """What it was made of, as `module:name`; a run on it has this name."""
        return origin_of(self)

    @property
    def price_of_gradient(self) -> Evaluations:
        """What the log density and its gradient at one point cost together."""
        return Evaluations(gradient=1)

    @property
    def has_exact_channels(self) -> bool:
        """Whether `channel_log_density` is available in closed form."""
        return False

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        """The log density of `y = W x + b + sigma n` for `x ~ q`, plus the `log Z` of `log_density`, in closed form.

        With that constant it is the integral of the density as written, so that targets can be mixed.

        Raises:
            NotImplementedError: the target offers no closed form (`has_exact_channels` is false).
        """
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its channels")

    @property
    def has_names(self) -> bool:
        """Whether `quantities` gives more than the coordinates themselves."""
        return type(self).quantities is not AbstractTarget.quantities

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """The named quantities of a point, such as a model's parameters; `{"x": x}` if nothing has a name."""
        return {"x": point}

    def observed(self) -> dict[str, np.ndarray]:
        """The named observed values behind the energy; none unless the target has them."""
        return {}

    def asked_at(self, points: Float[Array, "count dim"]) -> Iterator[tuple[AbstractTarget, Float[Array, "count own"]]]:
        """The targets whose functions are asked for a log density at points, each with its own points: itself.

        Combinations ask their parts, so that these can be looked at beforehand like any other.
        """
        yield self, points

    def law_of(self, sampler: Mixture) -> Distribution:
        """A sampler of this target as a NumPyro distribution of what users draw: by default, of points."""
        return sampler.to_numpyro()

    def describe(self) -> dict[str, str]:
        """The declared and the known facts as short texts, for lists."""
        known = self.facts
        modes = "unknown" if known.modes is None else str(len(known.modes))
        return {
            "dimension": str(self.dim),
            "declared centre": _short(self.centre),
            "declared scale": _short(self.scale),
            "quantities": self._names(),
            "log Z": "unknown" if known.log_z is None else f"{known.log_z:.6g}",
            "modes": modes,
            "mode masses": "unknown" if known.mode_weights is None else _short(known.mode_weights),
            "exact draws": "yes" if known.sample is not None else "no",
            "exact channels": "yes" if self.has_exact_channels else "no",
        }

    def _names(self) -> str:
        """Of the quantities, each with its shape unless it is one number."""
        forms = jax.eval_shape(self.quantities, jnp.asarray(self.centre))
        shapes = {name: "x".join(map(str, form.shape)) for name, form in forms.items()}
        return ", ".join(f"{name} ({shape})" if shape else name for name, shape in shapes.items())


def _short(values: Float[Array, " count"]) -> str:
    if bool((values == values[0]).all()):
        return f"{float(values[0]):.6g}"
    shown = ", ".join(f"{float(value):.6g}" for value in values[:6])
    return f"({shown}, ...)" if len(values) > 6 else f"({shown})"
