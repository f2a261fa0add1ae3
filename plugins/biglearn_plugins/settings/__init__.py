"""Presets: settings under a name, for `biglearn train TARGET --settings NAME`."""

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_settings() -> list[Entry]:
    """The built-in presets."""
    from biglearn_plugins.settings.presets import ENTRIES

    return ENTRIES
