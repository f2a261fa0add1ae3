"""One page about a comparison, complete in itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from biglearn_plugins.reports.page.coverage_pictures import coverage_with_legend
from biglearn_plugins.reports.page.document import document
from biglearn_plugins.reports.page.looks import looks_of
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.comparison import Comparison
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.whole_files import WholeFiles

NAME = "report.html"


@dataclass(frozen=True)
class Page(AbstractReport):
    """`report.html`: verdict, table, pictures and provenance of a comparison, in one file that loads nothing."""

    def write(self, run: Run, folder: Path) -> list[Path]:
        """Nothing: a run by itself has the other reports, and becomes a page as a comparison of one trial."""
        return []

    def write_comparison(self, comparison: Comparison, folder: Path) -> list[Path]:
        WholeFiles(folder).write_text(NAME, document(comparison))
        return [folder / NAME]

    def draw_comparison(self, comparison: Comparison, path: Path) -> bool:
        drawn = coverage_with_legend(comparison, looks_of(comparison))
        if drawn is not None:
            path.write_text(drawn.on_white(), encoding="utf-8")
        return drawn is not None


def page() -> Page:
    """The report; it has no parameters."""
    return Page()


ENTRY = Entry(
    name="page",
    build=page,
    summary="HTML: verdict, table and pictures of a comparison, one page that opens from disk",
)
