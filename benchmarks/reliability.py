"""Whether a run survives what machines do to it: kills, full disks, folders that cannot be written, damaged files.

    python benchmarks/reliability.py [--only TRIAL;...] [--times N] [--minutes M]   add to results/reliability.jsonl
    python benchmarks/reliability.py --table                                        write results/reliability.md

A trial is a function that makes the attempts that it is asked for and gives what came of each; another one is a
function more in `TRIALS`. The runs are small: `two_modes` and a curved ridge, with a few components. Needs Linux; a
kill costs the time of two such runs.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from report import RESULTS, add_row, commit, write_table

from biglearn_sampler.checkpoints import Refused
from biglearn_sampler.checkpoints.sealed import unsealed
from biglearn_sampler.cli import main as command_line
from biglearn_sampler.runs.checkpoint import Checkpoint

ROWS = RESULTS / "reliability.jsonl"

PLUGIN = """import biglearn_sampler as bl

def ridge():
    return bl.target(lambda x: -0.5 * x[0] ** 2 - 8.0 * (x[1] - x[0] ** 2) ** 2, dim=2, scale=2.0)

@bl.hookimpl
def biglearn_targets():
    return [bl.Entry(name="ridge", build=ridge, summary="a curved ridge")]
"""
"""No small mixture, so that every phase of the adaptive training comes."""

COMMON = ("--set", "reports=[]", "--set", "metrics=['elbo']", "--set", "evaluation.draws=200")
OFTEN = ("--set", "checkpoint.minutes=0.001")
ADAPTIVE = ("ridge", "--set", "components=4", *COMMON, *OFTEN)
SCHEDULED = (
    *("two_modes", "--set", "components=16", "--set", "training.steps=900", "--set", "training.chunk=30"),
    *("--set", "scheduler={name='bandit', tasks=['joint', 'noised']}", "--set", "optimizer.name='adam'"),
    *(*COMMON, *OFTEN),
)
LARGEST_FILES = 30_000, 10_000
"""Bytes that a file may have: checkpoints grow beyond the first in the middle of a run, the history beyond the last."""


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt.

    Arguments:
        outcome: in a word or two.
        holds: whether that may happen.
    """

    outcome: str
    holds: bool


@dataclass(frozen=True)
class Trial:
    """Something that is done to a run.

    Arguments:
        what: that is done.
        promised: what must come of it, every time.
        times: attempts by default.
        attempts: makes so many of them.
    """

    what: str
    promised: str
    times: int
    attempts: Callable[[int], Generator[Attempt]]


# kills


def killed(arguments: Sequence[str], number: signal.Signals = signal.SIGKILL) -> Callable[[int], Generator[Attempt]]:
    """A run is killed at a random moment between its first history row and its end, again and again, and resumed."""

    def attempts(times: int) -> Generator[Attempt]:
        chance = random.Random()  # what a process does at a moment never comes twice
        with _workplace() as place:
            whole = place / "whole"
            process = _begun([*arguments, "--out", str(whole)], whole)
            seconds = time.monotonic()
            if process.wait():
                raise RuntimeError(f"the run without a kill ended with status {process.returncode}")
            seconds = time.monotonic() - seconds
            rows = len((whole / "history.jsonl").read_text().splitlines())
            for attempt in range(times):
                folder = place / f"run-{attempt}"
                # By rows, because machines are now faster and now slower; the rest reaches into the measuring.
                process = _begun([*arguments, "--out", str(folder)], folder, chance.randint(1, rows))
                moment = 0.2 * seconds * chance.random()
                yield _killed_once(process, folder, whole, moment, number)
                shutil.rmtree(folder, ignore_errors=True)

    return attempts


def _killed_once(
    process: subprocess.Popen[bytes], folder: Path, whole: Path, seconds: float, number: signal.Signals
) -> Attempt:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.send_signal(number)
    status = process.wait()
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    if status not in (0, expected):
        return Attempt(f"status {status}", False)
    written = any((folder / "checkpoints").glob("*.checkpoint"))
    moment = "after its end" if not status else "in the training" if written else "with no checkpoint"
    done = subprocess.run(_program(["train", "--resume", str(folder)]), capture_output=True, text=True)
    if done.returncode:
        return Attempt(f"resume failed: {done.stderr[-300:]}", False)
    same = _left(folder) == _left(whole)
    return Attempt(f"{_bits(same)}, stopped {moment}", same)


def _begun(arguments: Sequence[str], folder: Path, rows: int = 1) -> subprocess.Popen[bytes]:
    """A run in a process of its own that has written so many rows of its history."""
    process = subprocess.Popen(_program(["train", *arguments]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = folder / "history.jsonl"
    while process.poll() is None and not (history.exists() and history.read_bytes().count(b"\n") >= rows):
        time.sleep(0.02)
    return process


# a full disk, a folder that cannot be written


def no_room(times: int) -> Generator[Attempt]:
    """Every write of a run fails once, the first, the second ...: `ENOSPC` from the system call that flushes it."""
    with _workplace() as place:
        whole = place / "whole"
        _train([*SCHEDULED, "--out", str(whole)])
        for attempt in range(times):
            folder = place / f"run-{attempt}"
            with _failing(attempt, errno.ENOSPC):
                status = _here(["train", *SCHEDULED, "--out", str(folder)])
            if not (folder / "run.json").exists():
                yield Attempt("refused at the beginning", status == 1)
                continue
            resumed = _here(["train", "--resume", str(folder)])
            same = _left(folder) == _left(whole)
            how = "ended with a sentence" if status else "went on"
            yield Attempt(f"{how}; resumed to {_bits(same)}", not resumed and same)


def small_files(times: int) -> Generator[Attempt]:
    """The system lets no file grow beyond a few kilobytes (`RLIMIT_FSIZE`), as where a quota is used up."""
    with _workplace() as place:
        whole = place / "whole"
        _train([*SCHEDULED, "--out", str(whole)])
        for attempt in range(times):
            folder = place / f"run-{attempt}"
            arguments = ["train", *SCHEDULED, "--out", str(folder)]
            largest = LARGEST_FILES[attempt % 2]
            limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest}))"
            done = subprocess.run(_program(arguments, limit), capture_output=True, text=True)
            told = done.returncode == attempt % 2 and "cannot be written: File too large" in done.stderr
            resumed = subprocess.run(_program(["train", "--resume", str(folder)]), capture_output=True)
            same = resumed.returncode == 0 and _left(folder) == _left(whole)
            how = "ended with a sentence" if attempt % 2 else "went on without checkpoints"
            yield Attempt(f"{how if told else done.stderr[-200:]}; resumed to {_bits(same)}", told and same)


def read_only(times: int) -> Generator[Attempt]:
    """The folder for runs, or the one of a run that goes on, takes no file (`EROFS`)."""
    with _workplace() as place:
        folder = place / "run"
        _here(["train", *SCHEDULED, "--out", str(folder), "--budget", "3000"])
        for attempt in range(times):
            new = place / f"new-{attempt}"
            arguments = ["--resume", str(folder), "--budget", "10_000"] if attempt % 2 else [*SCHEDULED]
            before = _files(folder)
            with _failing(None, errno.EROFS):
                status = _here(["train", *arguments, *([] if attempt % 2 else ["--out", str(new)])])
            yield Attempt("one sentence, status 1", status == 1 and _files(folder) == before)


# damaged checkpoints


def flipped(times: int) -> Generator[Attempt]:
    """One to three bits of a checkpoint are flipped, or its end is lost."""
    chance = random.Random(0)
    with _workplace() as place:
        whole = _checkpoint(place)
        kept = _contents(whole)
        for _ in range(times):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            data = bytes(damaged) if chance.random() < 0.8 else whole[: chance.randrange(len(whole))]
            try:
                yield Attempt("read, the same value", _contents(data) == kept)
            except Refused:
                yield Attempt("refused", True)


def resumed_beside_damage(times: int) -> Generator[Attempt]:
    """The newest checkpoint of an interrupted run is damaged; the one before is used."""
    chance = random.Random(1)
    with _workplace() as place:
        whole, paused = place / "whole", place / "paused"
        _train([*SCHEDULED, "--out", str(whole)])
        process = _begun([*SCHEDULED, "--out", str(paused)], paused, 15)
        process.kill()
        process.wait()
        for attempt in range(times):
            folder = Path(shutil.copytree(paused, place / f"run-{attempt}"))
            newest = sorted((folder / "checkpoints").iterdir())[-1]
            data = bytearray(newest.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            newest.write_bytes(data)
            status = _here(["train", "--resume", str(folder)])
            same = status == 0 and _left(folder) == _left(whole)
            yield Attempt(f"resumed to {_bits(same)}", same)


TRIALS: dict[str, Trial] = {
    "kill, adaptive": Trial("kill -9 at a random moment, then --resume", "the same bits", 100, killed(ADAPTIVE)),
    "kill, scheduled": Trial("the same, with a reservoir and a bandit", "the same bits", 30, killed(SCHEDULED)),
    "SIGTERM": Trial(
        "SIGTERM at a random moment, then --resume", "status 143; the same bits", 10, killed(ADAPTIVE, signal.SIGTERM)
    ),
    "no room": Trial(
        "no space left in the 1st, 2nd ... write, then --resume", "a sentence or no trace; the same bits", 24, no_room
    ),
    "small files": Trial("no file above 30 or 10 kB, then --resume", "a sentence; the same bits", 2, small_files),
    "read-only": Trial("a folder that cannot be written", "a sentence; nothing changes", 2, read_only),
    "bit flips": Trial("bits of a checkpoint flipped, or its end lost", "refused, or the same", 1000, flipped),
    "damaged newest": Trial("the newest checkpoint damaged, then --resume", "the same bits", 5, resumed_beside_damage),
}


def _program(arguments: Sequence[str], first: str = "pass") -> list[str]:
    """The command line in a process that hears signals, whatever its parent ignores."""
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{first}; {heard}; from biglearn_sampler.cli import program; program()"
    return [sys.executable, "-c", code, "--plugin", "ridge_plugin.py", *arguments]


def _train(arguments: Sequence[str]) -> None:
    subprocess.run(_program(["train", *arguments]), check=True, capture_output=True)


def _here(arguments: Sequence[str]) -> int:
    """The status of the command line in this process."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        return command_line(["--plugin", "ridge_plugin.py", *arguments])


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """A folder to work in, with the target of the trials as a plugin."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("ridge_plugin.py").write_text(PLUGIN)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _failing(which: int | None, number: int) -> Iterator[None]:
    """The given flush to the disk fails, counted from zero, or every one of them."""
    fsync, calls = os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if which is None or len(calls) == which + 1:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    with patch.object(os, "fsync", failing):
        yield


def _left(folder: Path) -> dict[str, Any]:
    """What a run leaves, without what the clock says."""
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((folder / "metrics.json").read_text())
    told = [{name: value for name, value in row.items() if not name.startswith("seconds")} for row in [*rows, metrics]]
    return {"told": told, **{name: (folder / name).read_bytes() for name in ("sampler.npz", "snapshots.npz")}}


def _bits(same: bool) -> str:
    return "the same bits" if same else "OTHER BITS"


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _checkpoint(place: Path) -> bytes:
    """The last checkpoint of an adaptive run that its budget stopped."""
    _here(["train", *ADAPTIVE, "--budget", "40_000", "--out", str(place / "stopped")])
    return sorted((place / "stopped" / "checkpoints").iterdir())[-1].read_bytes()


def _contents(data: bytes) -> Any:
    from biglearn_sampler.checkpoints.typed_tree import flattened

    content, arrays = flattened(unsealed(Checkpoint, data), Checkpoint)
    return content, [array.tobytes() for array in arrays]


def tried(name: str, times: int | None, minutes: float) -> dict[str, Any]:
    """The row of a trial: so many attempts, or as many as are begun within the minutes."""
    trial, began = TRIALS[name], time.monotonic()
    attempts = []
    with contextlib.closing(trial.attempts(trial.times if times is None else times)) as made:
        for attempt in made:
            attempts.append(attempt)
            if time.monotonic() - began > 60 * minutes:
                break
    return {
        "trial": name,
        "times": len(attempts),
        "held": sum(attempt.holds for attempt in attempts),
        "outcomes": dict(Counter(attempt.outcome for attempt in attempts)),
        "seconds": round(time.monotonic() - began),
        "commit": commit(),
    }


def write(rows: Sequence[dict[str, Any]]) -> None:
    """The table of all attempts that were kept."""
    together: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        together.setdefault(row["trial"], []).append(row)
    lines = []
    for name, trial in TRIALS.items():
        kept = together.get(name, [])
        if kept:
            outcomes = sum((Counter(row["outcomes"]) for row in kept), Counter())
            lines.append(
                [
                    name,
                    trial.what,
                    trial.promised,
                    f"{sum(row['held'] for row in kept)} of {sum(row['times'] for row in kept)}",
                    "; ".join(f"{outcome} ({count})" for outcome, count in outcomes.most_common()),
                    str(sum(row["seconds"] for row in kept)),
                    ", ".join(dict.fromkeys(row["commit"] for row in kept)),
                ]
            )
    columns = ("trial", "what is done", "what is promised", "held", "what came of it", "s", "commit")
    notes = (
        "Bits are those of `sampler.npz`, `snapshots.npz`, the history and the figures, without seconds. Seconds were "
        "measured on one loaded core. Hostile energies and plugins: `hostile.md`."
    )
    write_table("reliability", "What machines do to runs", "python benchmarks/reliability.py", columns, lines, notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"trials, separated by semicolons: {'; '.join(TRIALS)}")
    parser.add_argument("--times", type=int, help="attempts of each; a default for each trial")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for the attempts of each trial")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    if arguments.table:
        write([json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()])
        return
    wanted = [name.strip() for name in arguments.only.split(";") if name.strip()]
    for name in wanted or TRIALS:
        add_row(ROWS, tried(name, arguments.times, arguments.minutes))


if __name__ == "__main__":
    main()
