"""Which task to work on when."""

from biglearn_sampler.catalogue import Entry, hookimpl


@hookimpl
def biglearn_schedulers() -> list[Entry]:
    """The built-in schedulers."""
    from biglearn_plugins.schedulers import bandit, bi_level, biglearn_em, paper, phases, weighted

    return [
        *weighted.ENTRIES,
        *bi_level.ENTRIES,
        *phases.ENTRIES,
        *bandit.ENTRIES,
        *paper.ENTRIES,
        *biglearn_em.ENTRIES,
    ]
