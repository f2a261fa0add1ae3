"""A comparison in a notebook: what it says, and its table."""

from __future__ import annotations

from biglearn_sampler.catalogue.notebook import heading, html_of, paragraph, picture, table
from biglearn_sampler.comparison.comparison import Comparison
from biglearn_sampler.comparison.sentences import sentences_of
from biglearn_sampler.comparison.table import table_of


@html_of.register(Comparison)
def html_of_comparison(comparison: Comparison) -> str:
    """The HTML of a comparison."""
    told = "".join(paragraph(sentence) for sentence in sentences_of(comparison))
    drawn = picture(
        "page",
        lambda report, path: report.draw_comparison(comparison, path),
        f"coverage of the modes of {comparison.name} as evaluations go by, for every method",
    )
    return heading(f"A comparison on {comparison.name}") + told + table(*table_of(comparison)) + drawn
