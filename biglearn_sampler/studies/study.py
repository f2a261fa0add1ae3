"""A study as it is written down: which targets, methods, settings and seeds are put together."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.comparison import OURS
from biglearn_sampler.errors import SettingsError, UserError
from biglearn_sampler.runs.plan import MOST_SEEDS
from biglearn_sampler.seeds import checked_seed

KEYS = ("targets", "methods", "settings", "seeds", "budget")

PRESET = "preset"
"""Key of a table of settings that names the preset or the file below its other keys."""

DEFAULTS = "default"
"""Name of the settings of a study that names none."""


@dataclass(frozen=True)
class Study:
    """What is put together; every combination is one row of the results.

    Arguments:
        targets: names, or tables with a name and parameters.
        methods: likewise; `biglearn` is our training, all others are baselines.
        settings: dotted keys, and perhaps a `preset`, by the name of their column in the table.
        seeds: of the trials.
        budget: evaluations of energy and gradient for each trial; `None` leaves every method to its own defaults.
    """

    targets: tuple[Any, ...]
    methods: tuple[Any, ...] = (OURS,)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {DEFAULTS: {}})
    seeds: tuple[int, ...] = (0,)
    budget: int | None = None


def load_study(source: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a study file; a mapping as it is.

    Raises:
        SettingsError: the file cannot be read, or it is no TOML.
    """
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | Path):
        raise SettingsError(f"a study is a TOML file or a mapping, got {type(source).__name__}")
    try:
        return tomllib.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the study file {source} cannot be read: {error.strerror or error}") from error
    # No UTF-8, a null byte in the path and endless digits all raise ValueError; endless brackets RecursionError.
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"the study file {source} is no valid TOML: {error}") from error


def parse_study(values: Mapping[str, Any]) -> tuple[Study, list[str]]:
    """A study, without the parts that make no sense, and everything that is wrong with its form.

    Arguments:
        values: the keys `targets`, `methods`, `settings`, `seeds` and `budget`; only `targets` is needed.
    """
    problems = [f"unknown key '{key}'{did_you_mean(str(key), KEYS)}" for key in values if key not in KEYS]
    if "targets" not in values:
        problems.append('targets: expected a list of targets, as in targets = ["grid25", { name = "funnel", dim = 3 }]')
    problems += [*_spec_problems("targets", values), *_spec_problems("methods", values)]
    settings, wrong = _settings(values.get("settings", {DEFAULTS: {}}))
    seeds, wrong_seeds = _seeds(values.get("seeds", 1))
    budget = values.get("budget")
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
        problems.append(f"budget: must be a whole number of at least 1, got {shown(budget)}")
        budget = None
    targets, methods = (_specs(values.get(key, default)) for key, default in (("targets", ()), ("methods", (OURS,))))
    return Study(targets, methods, settings, seeds, budget), [*problems, *wrong, *wrong_seeds]


def label_of(spec: Any) -> str:
    """How the table calls a target or a method: its name, with the parameters that were given."""
    if not isinstance(spec, Mapping):
        return str(spec)
    given = ",".join(f"{name}={_short(value)}" for name, value in spec.items() if name != "name")
    return f"{spec['name']}({given})" if given else str(spec["name"])


def is_ours(spec: Any) -> bool:
    """Whether a method is our training."""
    return spec == OURS or (isinstance(spec, Mapping) and spec.get("name") == OURS)


def _short(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")


def _specs(given: Any) -> tuple[Any, ...]:
    listed = given if isinstance(given, list | tuple) else ()
    return tuple(item for item in listed if _is_spec(item))


def _is_spec(item: Any) -> bool:
    return isinstance(item, str) or (isinstance(item, Mapping) and isinstance(item.get("name"), str))


def _spec_problems(key: str, values: Mapping[str, Any]) -> Iterator[str]:
    if key not in values:
        return
    given = values[key]
    if not isinstance(given, list | tuple):
        yield f"{key}: must be a list in brackets, got {shown(given)}"
        return
    if not given:
        yield f"{key}: the list is empty; a study needs one at least"
    for place, item in enumerate(given):
        if not _is_spec(item):
            yield f"{key}.{place}: must be a name, or a table with a name and parameters, got {shown(item)}"
    labels = [label_of(item) for item in given if _is_spec(item)]
    yield from (f"{key}: '{label}' stands there twice" for label in dict.fromkeys(labels) if labels.count(label) > 1)
    if key == "methods":
        parametrised = [item for item in given if isinstance(item, Mapping) and is_ours(item) and len(item) > 1]
        yield from (f"methods: '{OURS}' takes no parameters; give it settings" for _ in parametrised)


def _settings(given: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    if not isinstance(given, Mapping):
        return {}, [f"settings: must be tables by name, as in [settings.small], got {shown(given)}"]
    if not given:
        return {}, ["settings: there is none; leave the key out for the defaults"]
    problems = [
        f"settings.{name}: must be a table, got {shown(table)}; write [settings.{name}], or {name} = {{ preset = ... }}"
        for name, table in given.items()
        if not isinstance(table, Mapping)
    ]
    return {str(name): dict(table) for name, table in given.items() if isinstance(table, Mapping)}, problems


def _seeds(given: Any) -> tuple[tuple[int, ...], list[str]]:
    if isinstance(given, int) and not isinstance(given, bool):
        if given < 1:
            return (), [f"seeds: must be a number of at least 1, or a list of seeds, got {given}"]
        if given > MOST_SEEDS:
            return (), [f"seeds: at most {MOST_SEEDS:,} of them, got {given:,}; one seed is written seeds = [{given}]"]
        given = range(given)
    if not isinstance(given, list | tuple | range) or not len(given):
        return (), [f"seeds: must be a number of at least 1, or a list of seeds, got {shown(given)}"]
    try:
        chosen = tuple(checked_seed(seed) for seed in given)
    except UserError as error:
        return (), [f"seeds: {error}"]
    twice = [seed for seed, times in Counter(chosen).items() if times > 1]
    return chosen, [f"seeds: {seed} stands there twice" for seed in twice]
