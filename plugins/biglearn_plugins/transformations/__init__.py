"""Random maps under which tasks look at a point."""

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_transformations() -> list[Entry]:
    """The built-in transformations."""
    from biglearn_plugins.transformations import composition, noise, orthogonal

    return [*orthogonal.ENTRIES, *noise.ENTRIES, *composition.ENTRIES]
