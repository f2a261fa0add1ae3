"""From names, files, mappings and KEY=VALUE texts to checked settings, with all errors told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from biglearn_sampler.catalogue import Catalogue, EntryRecord
from biglearn_sampler.errors import CatalogueError, SettingsError
from biglearn_sampler.runs.merge_settings import SECTIONS, merge
from biglearn_sampler.runs.optimizer import optimizer_problem
from biglearn_sampler.runs.requirements import missing_requirements
from biglearn_sampler.runs.settings import SCHEDULED, Settings, scheduled_keys
from biglearn_sampler.runs.settings_problem import SettingsProblem, line_of, validation_problems


@dataclass(frozen=True)
class ReadSettings:
    """Checked settings and where they came from.

    Arguments:
        settings: complete, defaults included.
        source: the name of the preset, the path of the file, or `None`.
        record: of the preset, if the settings came from one.
        switched_by: the settings for which the training is a scheduled one, where neither `method` nor a preset asks
            for it.
    """

    settings: Settings
    source: str | None
    record: EntryRecord | None
    switched_by: tuple[str, ...] = ()

    @property
    def notice(self) -> str | None:
        """What is to be said of the method, if it is another one than by default and nobody named it."""
        if not self.switched_by:
            return None
        return (
            f"only a scheduled training knows {', '.join(self.switched_by)}, so this one makes "
            f"{self.settings.training.steps:,} steps on the tasks of a scheduler; without "
            f"{'it' if len(self.switched_by) == 1 else 'them'} the training is adaptive"
        )


@dataclass(frozen=True)
class _Source:
    """The values of a source, its label, its text if it is a file, and its record if it is a preset."""

    values: Mapping[str, Any]
    label: str | None = None
    text: str = ""
    record: EntryRecord | None = None


def read_settings(
    source: str | Path | Mapping[str, Any] | None,
    overrides: Mapping[str, Any],
    catalogue: Catalogue,
    *,
    comparing: bool = False,
) -> ReadSettings:
    """Settings from defaults, then a source, then overrides.

    Arguments:
        source: the name of a preset, a TOML file (a path, or a text that ends in `.toml`), or a mapping whose keys
            may be dotted (`{"start.mean": -5.0}`).
        overrides: dotted keys and values, which win; texts are read as TOML values where they are ones.
        catalogue: for presets and for the entries that settings name.
        comparing: whether they are those of a comparison; nothing else reads `compare.*`, and the plugins of its
            defaults may be left out.

    Raises:
        SettingsError: everything that is wrong, with the place of each.
    """
    loaded = _load(source, catalogue)
    merged, problems = merge(loaded.values, overrides)
    settings, more = _validated(merged)
    problems += more
    problems += _idle_problems(merged)
    wrong = {problem.place[0] for problem in problems}
    problems += _entry_problems(settings, catalogue, comparing=comparing)
    problems += [SettingsProblem(("requires",), text) for text in missing_requirements(settings.requires)]
    # An optimiser of which a part was replaced by its default says nothing about the one that was meant.
    if "optimizer" not in wrong:
        problems += optimizer_problem(settings.optimizer)
    if problems:
        raise SettingsError(_told(problems, loaded, overrides))
    return ReadSettings(settings, loaded.label, loaded.record, _switched_by(merged, loaded))


def _load(source: str | Path | Mapping[str, Any] | None, catalogue: Catalogue) -> _Source:
    if source is None:
        return _Source({})
    if isinstance(source, Mapping):
        return _Source(source)
    if not isinstance(source, (str, Path)):
        raise SettingsError(
            f"settings must be the name of a preset, a TOML file or a mapping, got {type(source).__name__}"
        )
    if isinstance(source, Path) or source.endswith(".toml"):
        return _load_file(Path(source))
    try:
        built = catalogue.build("settings", source)
    except CatalogueError as error:
        raise SettingsError(f"{error}\n  (a settings file is given with its ending, as in 'mine.toml')") from error
    return _Source(built.value, source, record=built.record)


def _load_file(path: Path) -> _Source:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {path} cannot be read: it is no UTF-8 text") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"the settings file {path} cannot be read: {reason}") from error
    try:
        return _Source(tomllib.loads(text), str(path), text)
    # Endless digits raise ValueError, of which TOMLDecodeError is one; endless brackets RecursionError.
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error


def _validated(values: Mapping[str, Any]) -> tuple[Settings, list[SettingsProblem]]:
    """Settings, with defaults for what is wrong, so that the rest can be checked too; and what is wrong."""
    try:
        return Settings.model_validate(values), []
    except ValidationError as error:
        problems = validation_problems(error, values)
    kept = values
    for problem in problems:
        kept = _without(kept, problem.place)
    return Settings.model_validate(kept), problems


def _switched_by(merged: Mapping[str, Any], source: _Source) -> tuple[str, ...]:
    """The settings, dotted, that mean a scheduled training where nothing else says so."""
    preset = merge(source.values, {})[0] if source.record else {}
    if merged.get("method", "auto") != "auto" or scheduled_keys(preset):
        return ()
    named: list[str] = []
    for key in scheduled_keys(merged):
        inner = merged[key] if key in SECTIONS else {}
        named += [f"{key}.{part}" for part in inner] or [key]
    return tuple(named)


def _idle_problems(values: Mapping[str, Any]) -> list[SettingsProblem]:
    """What an adaptive training was given and would not look at."""
    if values.get("method") != "adaptive":
        return []
    text = "belongs to method = 'scheduled'; an adaptive training decides it by itself"
    # The record of an adaptive run names them all, with their defaults, and can be read again.
    defaults = Settings().model_dump(mode="json")
    return [SettingsProblem((key,), text) for key in SCHEDULED if key in values and values[key] != defaults[key]]


def _without(values: Mapping[str, Any], place: Sequence[str]) -> dict[str, Any]:
    """A copy without the key at a place, or without the list that holds the place."""
    head, rest = place[0], place[1:]
    inner = values.get(head)
    if rest and isinstance(inner, Mapping):
        return {**values, head: _without(inner, rest)}
    return {key: value for key, value in values.items() if key != head}


def _entry_problems(settings: Settings, catalogue: Catalogue, *, comparing: bool) -> list[SettingsProblem]:
    """What the catalogue has to say about the entries that settings name."""
    problems = []
    for place, kind, spec in _entries(settings, comparing=comparing):
        try:
            catalogue.check(kind, spec)
        except CatalogueError as error:
            problems.append(SettingsProblem(place, str(error)))
    return problems


def _entries(settings: Settings, *, comparing: bool) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Place, kind and spec of every entry that settings name, without defaults that nothing reads."""
    yield ("scheduler",), "scheduler", settings.scheduler
    for position, spec in enumerate(settings.exploration.tasks):
        yield ("exploration", "tasks", str(position)), "task", spec
    for key, kind in {"metrics": "metric", "reports": "report"}.items():
        for position, spec in enumerate(getattr(settings, key)):
            yield (key, str(position)), kind, spec
    for key, kind in {"baselines": "baseline", "reports": "report"}.items():
        specs = getattr(settings.compare, key)
        if comparing or specs != getattr(Settings().compare, key):
            for position, spec in enumerate(specs):
                yield ("compare", key, str(position)), kind, spec


def _told(problems: Sequence[SettingsProblem], source: _Source, overrides: Mapping[str, Any]) -> str:
    """All problems in the order of the file, those of overrides behind them."""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the settings"
    lines = []
    for problem in problems:
        overridden = any(problem.is_within(key.split(".")) for key in overrides)
        line = None if overridden or not source.text else line_of(source.text, problem.place)
        where = "" if line is None else f"{source.label}:{line}: "
        lines.append((line is None, line or 0, f"{where}{problem}"))
    return "\n  ".join([f"{count}:", *(text for *_, text in sorted(lines, key=lambda line: line[:2]))])
