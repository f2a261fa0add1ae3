"""Whether the number of devices and processes changes a sampler, and what it costs where it cannot pay.

    python benchmarks/devices.py

The first 20,000 evaluations of `grid25` from the corner, on 1, 2 and 4 parts of one CPU as devices, and as 1, 2 and 4
processes on this machine that meet over loopback. There is nothing to gain here: all share the same cores, and the
energy costs next to nothing. So the table shows the overhead, and whether the samplers agree bit for bit. About four
minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from report import write_table

TRAIN = ("train", "grid25", "--set", "start.mean=-5", "--set", "start.sd=0.1", "--seed", "0", "--budget", "20000")
QUICK = ("--set", "metrics=[]", "--set", "reports=[]", "--set", "evaluation.draws=100", "--quiet")
THREADS = 4
"""Of XLA in every process, whatever its devices: how sums are divided among threads decides about their last digits."""


DIGITS = """What the digits of a training depend on, beside its seed:

- Not on how points are shared out among two or more devices or processes. On a CPU XLA would divide some sums over
  large batches otherwise than over small ones; such trainings are compiled without that (`devices/devices.py`).
- On whether there is one device or more: XLA compiles other code for one, and rounding grows into another, equally good
  training. Who wants the digits of many devices from one CPU takes two of it: `--devices 2` with
  `JAX_NUM_CPU_DEVICES=2`.
- On the threads of XLA in a process, also of a single one: as many as there are cores, or devices, or as the variable
  `NPROC` says.

With `devices.components=4` on four devices the compiled steps of 1,024 components in three coordinates take a quarter
of the temporary memory on each, and the components agree to 5e-7 after two steps (`tests/four_devices.py`). On paper
10^5 components in 50 coordinates have tables of 2 * 10^5 points times 10^5 components, 80 GB each, or 2.5 GB in 32
parts."""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        runs = [
            _run(Path(place), devices, processes) for devices, processes in ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4))
        ]
    digits = {run[-1] for run in runs[1:]}
    rows = [_row(*run) for run in runs]
    agree = "are" if len(digits) == 1 else "are not"
    write_table(
        "devices",
        "Devices and processes on one machine",
        "python benchmarks/devices.py",
        ("devices of each", "processes", "steps", "ms for a step", "seconds to compile", "seconds in all", "sampler"),
        rows,
        f"The samplers of all rows with more than one device {agree} the same, bit for bit; the last column has the "
        "beginning of a hash of its arrays. Steps are those of the training, without what is measured behind it; "
        "seconds in all have the start of Python and the look for missed mass in them. All devices and processes share "
        "the cores of this machine, so that nothing can be gained.\n\n" + DIGITS,
    )


def _run(place: Path, devices: int, processes: int) -> tuple[int, int, int, float, float, float, str]:
    """One training: devices, processes, steps, seconds of them, of compilation and of all, hash."""
    out = place / f"{devices}-{processes}"
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", "import sys; from biglearn_sampler.cli import main; sys.exit(main())", *arguments],
            env={**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "NPROC": str(THREADS)},
            stdout=subprocess.DEVNULL,
        )
        for arguments in _commands(out, devices, processes)
    ]
    if any([process.wait() for process in started]):
        raise SystemExit(f"a training on {devices} devices in {processes} processes failed")
    seconds = time.perf_counter() - began
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    *_, last = (out / "history.jsonl").read_text(encoding="utf-8").splitlines()
    sampler = hashlib.sha256((out / "sampler.npz").read_bytes()).hexdigest()[:8]
    steps = json.loads(last)["step"]
    return devices, processes, steps, metrics["seconds_run"], metrics["seconds_compile"], seconds, sampler


def _commands(out: Path, devices: int, processes: int) -> list[Sequence[str]]:
    command = (*TRAIN, *QUICK, "--devices", str(devices), "--out", str(out))
    if processes == 1:
        return [command]
    with socket.create_server(("127.0.0.1", 0)) as server:
        meeting = f"127.0.0.1:{server.getsockname()[1]}"
    team = ("--coordinator", meeting, "--processes", str(processes))
    return [(*command, *team, "--process-id", str(number)) for number in range(processes)]


def _row(
    devices: int, processes: int, steps: int, training: float, compiling: float, seconds: float, sampler: str
) -> list[str]:
    milliseconds = f"{1e3 * training / steps:.2f}"
    return [f"{devices}", f"{processes}", f"{steps:,}", milliseconds, f"{compiling:.1f}", f"{seconds:.0f}", sampler]


if __name__ == "__main__":
    main()
