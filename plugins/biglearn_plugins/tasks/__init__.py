"""What can be matched: joint, marginal and conditional laws, plain, transformed and noised."""

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_tasks() -> list[Entry]:
    """The built-in tasks."""
    from biglearn_plugins.tasks.families import ENTRIES

    return ENTRIES
