"""An animation of the training."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from biglearn_plugins.reports.canvas import new_figure
from biglearn_plugins.reports.panel import AbstractPanel
from biglearn_plugins.reports.training_figure import add_legend, entitle, panel_of, spread_out
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.runs.report import AbstractReport
from biglearn_sampler.runs.run import Run, Snapshot

WIDTH, HEIGHT = 520, 580
# Flat colours and their soft edges need no more.
COLOURS = 64
# Bytes; every other frame is left out until the file is smaller.
LARGEST_FILE = 2_000_000
LAST_FRAME_SECONDS = 2.0


@dataclass(frozen=True)
class TrainingAnimation(AbstractReport):
    """`training.gif`: all snapshots one after another, for targets with one or two coordinates.

    Arguments:
        frames: at most as many, evenly chosen among the snapshots; fewer where the file would exceed 2 MB.
        seconds: how long each frame stays; the last one stays for two seconds.
    """

    frames: int = 20
    seconds: float = 0.15

    def write(self, run: Run, folder: Path) -> list[Path]:
        panel = panel_of(run)
        if panel is None:
            return []
        pictures = _pictures(panel, spread_out(run.snapshots, self.frames))
        animation = _encoded(pictures, self.seconds)
        while len(animation) > LARGEST_FILE and len(pictures) > 2:
            pictures = [*pictures[:-1:2], pictures[-1]]
            animation = _encoded(pictures, self.seconds)
        path = folder / "training.gif"
        path.write_bytes(animation)
        return [path]


def _encoded(pictures: list[Image.Image], seconds: float) -> bytes:
    milliseconds = [round(1000 * seconds)] * (len(pictures) - 1) + [round(1000 * LAST_FRAME_SECONDS)]
    buffer = BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return buffer.getvalue()


def _pictures(panel: AbstractPanel, snapshots: list[Snapshot]) -> list[Image.Image]:
    """All frames in the same few colours, so that only what moves has to be stored."""
    figure = new_figure(WIDTH, HEIGHT)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    add_legend(figure, panel, columns=2, size=8)
    panel.draw_target(axes)
    # The first drawing places the axes, with room for a title; they must not move from frame to frame.
    title = entitle(axes, snapshots[0])
    canvas.draw()
    figure.set_layout_engine("none")
    title.set_visible(False)
    canvas.draw()
    title.set_visible(True)
    without_sampler = canvas.copy_from_bbox(figure.bbox)
    pictures = []
    for snapshot in snapshots:
        canvas.restore_region(without_sampler)
        drawn = panel.draw_sampler(axes, snapshot.mixture)
        for artist in sorted([*drawn, entitle(axes, snapshot)], key=Artist.get_zorder):
            axes.draw_artist(artist)
        for artist in drawn:
            artist.remove()
        pictures.append(Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB"))
    both_ends = Image.fromarray(np.hstack([np.asarray(pictures[0]), np.asarray(pictures[-1])]))
    colours = both_ends.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    return [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]


def training_animation(
    frames: Annotated[int, "number of frames, at least 1; fewer if there are fewer snapshots"] = 20,
    seconds: Annotated[float, "how long each frame stays, in seconds, above 0"] = 0.15,
) -> TrainingAnimation:
    """The report.

    Raises:
        ValueError: a parameter is out of range.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds}")
    return TrainingAnimation(frames, seconds)


ENTRY = Entry(
    name="training_animation",
    build=training_animation,
    summary="animated GIF of the training, in one or two dimensions",
)
