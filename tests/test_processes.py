"""Real processes on this machine: the same sampler from one, from several devices, and from several processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SMALL = ("--budget", "6000", "--set", "metrics=[]", "--set", "reports=[]", "--set", "evaluation.draws=100")
"""A training of two rounds, and next to nothing behind it."""

LONG = ("--set", "metrics=[]", "--set", "reports=[]", "--set", "training.steps=2000000", "--set", "training.chunk=200")
"""A training that does not end while somebody looks."""


class Processes:
    """Processes of the command line that end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[subprocess.Popen[str]] = []

    def wait_for(self, path: str, rows: int) -> None:
        """Wait until the history of a run has so many rows."""
        file, until = self.folder / path / "history.jsonl", time.monotonic() + 200
        while not file.is_file() or len(file.read_text(encoding="utf-8").splitlines()) < rows:
            assert time.monotonic() < until
            time.sleep(0.2)

    def start(self, *arguments: str, devices: int = 1) -> subprocess.Popen[str]:
        """Start one, on a CPU that is divided into so many devices."""
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "NPROC": "4"}
        command = [sys.executable, "-c", "import sys; from biglearn_sampler.cli import main; sys.exit(main())"]
        process = subprocess.Popen(
            [*command, "train", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.all.append(process)
        return process

    def start_team(self, size: int, *arguments: str, each: dict[int, tuple[str, ...]] | None = None) -> None:
        """Start all processes of a run, each with further arguments of its own."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for number in range(size):
            place = ("--coordinator", f"127.0.0.1:{port}", "--processes", str(size), "--process-id", str(number))
            self.start(*arguments, *place, *(each or {}).get(number, ()))

    def ended(self, process: subprocess.Popen[str], seconds: float) -> tuple[int, str]:
        """The status of one that ends in time, and its last line."""
        text, _ = process.communicate(timeout=seconds)
        return process.returncode, text.strip().splitlines()[-1] if text.strip() else ""

    def sampler(self, out: str) -> dict[str, np.ndarray]:
        """The arrays of the sampler of a run."""
        with np.load(self.folder / out / "sampler.npz") as arrays:
            return dict(arrays)


@pytest.fixture
def run(tmp_path):
    processes = Processes(tmp_path)
    yield processes
    for process in processes.all:
        process.kill()
        process.communicate()


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two samplers are the same, bit for bit."""
    return first.keys() == second.keys() and all(first[name].tobytes() == second[name].tobytes() for name in first)


@pytest.mark.slow
def test_two_processes_give_what_two_devices_give(run):
    devices = run.start("two_modes", *SMALL, "--devices", "2", "--out", "devices", devices=2)
    assert run.ended(devices, 100)[0] == 0
    run.start_team(2, "two_modes", *SMALL, "--out", "processes")
    leading, following = run.all[1:]
    assert run.ended(leading, 100) == (0, "The run is in processes, its figures in processes/figures.")
    assert run.ended(following, 10)[0] == 0
    assert same(run.sampler("devices"), run.sampler("processes"))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["grid25", "many_well"])
def test_the_number_of_devices_and_processes_does_not_matter(run, target):
    for number in (2, 3, 4):
        process = run.start(
            target, *SMALL, "--budget", "60000", "--devices", str(number), "--out", f"{number}", devices=4
        )
        assert run.ended(process, 300)[0] == 0
    run.start_team(4, target, *SMALL, "--budget", "60000", "--out", "processes")
    assert [run.ended(process, 300)[0] for process in run.all[3:]] == [0, 0, 0, 0]
    first = run.sampler("2")
    assert all(same(first, run.sampler(name)) for name in ("3", "4", "processes"))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1, 3])
def test_the_others_end_with_a_sentence_when_one_is_killed(run, killed):
    run.start_team(4, "grid25", *LONG, "--out", "killed")
    run.wait_for("killed", 1)
    run.all[killed].send_signal(signal.SIGKILL)
    began = time.monotonic()
    for number, process in enumerate(run.all):
        status, last = run.ended(process, 40)
        if number == killed:
            continue
        assert status == 1
        seen = 0 if number else killed  # only the leading process is connected with all
        assert last.startswith(f"error: process {seen} of 4 ")
        assert last.endswith("The processes of a run can only go on together")
    assert time.monotonic() - began < 40


@pytest.mark.slow
def test_a_run_that_lost_a_process_goes_on_as_if_it_had_not(run):
    run.start_team(2, "grid25", *SMALL, "--budget", "60000", "--out", "whole")
    assert [run.ended(process, 300)[0] for process in run.all] == [0, 0]
    run.start_team(2, "grid25", *SMALL, "--budget", "60000", "--out", "broken")
    leading, following = run.all[2:]
    run.wait_for("broken", 10)
    following.kill()
    assert run.ended(leading, 40)[0] == 1
    run.start_team(2, "--resume", "broken")
    assert [run.ended(process, 300)[0] for process in run.all[4:]] == [0, 0]
    assert same(run.sampler("whole"), run.sampler("broken"))


@pytest.mark.slow
def test_processes_that_were_asked_for_different_things_do_not_begin(run):
    run.start_team(2, "two_modes", *SMALL, "--out", "run", each={0: ("--seed", "1"), 1: ("--seed", "2")})
    leading, following = run.all
    status, last = run.ended(following, 100)
    assert (status, "here the seed is 2, and in process 0 1" in last) == (2, True)
    status, last = run.ended(leading, 100)
    assert (status, "process 1 of 2 failed: the processes of a run must be asked for the same" in last) == (1, True)
