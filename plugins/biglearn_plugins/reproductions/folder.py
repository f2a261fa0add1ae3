"""Where reproductions are written: the page, and its pictures as files."""

from __future__ import annotations

from pathlib import Path

from biglearn_plugins.reproductions.page import Found, page_of
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.runs.whole_files import WholeFiles

PAGE = "report.html"


def write(folder: Path, found: Found, wanted: int | None = None) -> Path:
    """Write the page, the pictures and the animations, and give the path of the page.

    Arguments:
        folder: made where it is missing.
        found, wanted: as of `page_of`.

    Raises:
        RunFailed: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for reproduction, finding in found:
            for number, picture in enumerate(finding.pictures, 1):
                (folder / f"{reproduction.name}-{number}.svg").write_text(picture.svg, encoding="utf-8")
            for name, content in finding.animations.items():
                (folder / name).write_bytes(content)
    except OSError as error:
        raise RunFailed(f"nothing can be written into {folder}: {error.strerror or error}") from error
    WholeFiles(folder).write_text(PAGE, page_of(found, wanted))
    return folder / PAGE
