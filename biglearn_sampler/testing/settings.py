"""Checks of a preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.testing.fault import Fault


def check_valid(settings: Mapping[str, Any], catalogue: Catalogue) -> None:
    """The mapping holds settings of a run that are known, in range, and name entries that exist."""
    try:
        read_settings(settings, {}, catalogue)
    except SettingsError as error:
        raise Fault(f"the preset is no valid settings of a run: {error}") from error
