"""Which checks an entry of each kind goes through, in their order: the first one that fails names the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import jax

from biglearn_sampler.catalogue import KINDS, Catalogue, Offer
from biglearn_sampler.comparison import OURS
from biglearn_sampler.errors import CatalogueError, MissingData
from biglearn_sampler.testing import (
    baseline,
    metric,
    report,
    scheduler,
    settings,
    target_channels,
    target_energy,
    target_facts,
    target_shape,
    task,
    transformation,
)
from biglearn_sampler.testing.fault import Fault, NotChecked
from biglearn_sampler.testing.repeat import check_built_alike


@dataclass(frozen=True)
class Subject:
    """An entry under test.

    Arguments:
        catalogue: where it is built.
        offer: the entry.
        parameters: other than the defaults.
    """

    catalogue: Catalogue
    offer: Offer
    parameters: Mapping[str, Any]

    def build(self) -> Any:
        """A new object of the entry.

        Raises:
            NotChecked: it needs data that are not shipped.
        """
        try:
            return self.catalogue.build(self.offer.kind, self.offer.qualified_name, self.parameters).value
        except CatalogueError as error:
            if isinstance(error.__cause__, MissingData):
                raise NotChecked(f"{error}. Give `parameters` to the suite that lead to some") from error
            raise

    @cached_property
    def value(self) -> Any:
        """The object that most checks look at."""
        return self.build()


Check: TypeAlias = Callable[[Subject], None]


def subjects_of(
    catalogue: Catalogue, plugin: str, parameters: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> Iterator[Subject]:
    """The entries of a plugin, by kind and name, one after another: what is built for one need not be kept.

    Arguments:
        catalogue: where it is.
        plugin: its name.
        parameters: of entries by name, other than the defaults.
    """
    for kind in KINDS:
        for offer in catalogue.offers(kind):
            if offer.plugin == plugin:
                yield Subject(catalogue, offer, parameters.get(offer.entry.name, {}))


def check_builds(subject: Subject) -> None:
    """The entry can be built."""
    _ = subject.value


def run_check(check: Check, subject: Subject) -> None:
    """Make a check in single precision, as users of JAX have it.

    Code is compiled in haste, since most of it runs once.

    Raises:
        Fault: the check found one.
        NotChecked: the check cannot be made of this entry.
    """
    option = "jax_disable_most_optimizations"
    before = jax.config.read(option)
    jax.config.update(option, True)
    try:
        with jax.enable_x64(False):
            check(subject)
    finally:
        jax.config.update(option, before)


def checks_of(kind: str) -> Mapping[str, Check]:
    """The checks of a kind by name, in their order."""
    return {"builds": check_builds, **OF_VALUES[kind], **OF_SUBJECTS.get(kind, {})}


def _named(*functions: Callable[[Any], None]) -> dict[str, Check]:
    """Checks of values as checks of subjects, named as the functions without `check_`."""
    return {function.__name__.removeprefix("check_"): _of_value(function) for function in functions}


def _of_value(function: Callable[[Any], None]) -> Check:
    return lambda subject: function(subject.value)


def _built_alike(subject: Subject) -> None:
    check_built_alike(subject.value, subject.build())


def _valid(subject: Subject) -> None:
    settings.check_valid(subject.value, subject.catalogue)


def _own_name(subject: Subject) -> None:
    name = subject.offer.entry.name
    if name == OURS:
        raise Fault(f"a baseline must have a name of its own: '{name}' is that of our sampler in every comparison")


OF_VALUES: Mapping[str, Mapping[str, Check]] = MappingProxyType(
    {
        "target": _named(
            target_energy.check_region,
            target_energy.check_log_density,
            target_energy.check_pure,
            target_energy.check_gradient,
            target_energy.check_compiled,
            target_energy.check_vectorised,
            target_energy.check_precision,
            target_energy.check_differentiable,
            target_shape.check_continuous,
            target_shape.check_falls_off,
            target_energy.check_quantities,
            target_energy.check_described,
            target_facts.check_exact_draws,
            target_facts.check_draws_follow_density,
            target_facts.check_log_z,
            target_facts.check_modes,
            target_facts.check_mode_masses,
            target_facts.check_reference,
            target_channels.check_exact_channels,
        ),
        "transformation": _named(
            transformation.check_form,
            transformation.check_repeatable,
            transformation.check_compiled,
            transformation.check_orthogonal,
            transformation.check_noise,
        ),
        "task": _named(
            task.check_rows,
            task.check_channel,
            task.check_integral,
            task.check_compiled,
        ),
        "scheduler": _named(
            scheduler.check_tasks,
            scheduler.check_draw,
            scheduler.check_pure,
            scheduler.check_compiled,
            scheduler.check_vectorised,
            scheduler.check_indices,
            scheduler.check_progress,
            scheduler.check_memory,
        ),
        "baseline": _named(
            baseline.check_result,
            baseline.check_moments,
            baseline.check_repeatable,
            baseline.check_log_z,
            baseline.check_budget,
            baseline.check_counts,
        ),
        "metric": _named(metric.check_figures, metric.check_names, metric.check_repeatable, metric.check_order),
        "report": _named(report.check_written, report.check_target_drawn),
        "settings": {},
    }
)

OF_SUBJECTS: Mapping[str, Mapping[str, Check]] = MappingProxyType(
    {
        **dict.fromkeys(("transformation", "task", "scheduler"), {"built_alike": _built_alike}),
        "baseline": {"own_name": _own_name},
        "settings": {"valid": _valid},
    }
)
