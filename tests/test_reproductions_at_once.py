"""Reproductions made one after another or several at once. Few imports, since every process repeats them."""

from __future__ import annotations

import os
import time
from multiprocessing import active_children

import pytest

from biglearn_plugins.reproductions.making import made
from biglearn_plugins.reproductions.progress import ProgressLines, Tell
from biglearn_plugins.reproductions.reproduction import Finding, Part, Reproduction


def killed(tell: Tell) -> Finding:
    tell("about to go")
    os._exit(9)


def slow(tell: Tell) -> Finding:
    time.sleep(1)
    return Finding(True, f"made by {os.getpid()}", (), (), ())


def endless(tell: Tell) -> Finding:
    while True:
        time.sleep(1)


@pytest.mark.slow
def test_several_at_once_have_processes_of_their_own_and_a_killed_one_does_not_end_the_others(capsys):
    makers = (slow, killed, slow)
    wanted = [Reproduction(f"r{n}", f"Number {n}", "so", each, minutes=n) for n, each in enumerate(makers)]
    found = {each.name: finding for each, finding in made(wanted, 2, ProgressLines(3))}
    assert found["r1"].failed and "process ended with status 9" in found["r1"].sentence
    assert len({f"made by {os.getpid()}", found["r0"].sentence, found["r2"].sentence}) == 3
    assert capsys.readouterr().err.startswith("[1/3] Number 2\n")  # the longest first


def two(tell: Tell) -> float:
    return 2.0


def broken(tell: Tell) -> float:
    raise ZeroDivisionError("of a part")


def sum_of(tell: Tell, *parts: float) -> Finding:
    return Finding(True, f"{sum(parts)} by {os.getpid()}", (), (), ())


@pytest.mark.parametrize("processes", [1, 2])
def test_parts_are_made_first_and_given_to_the_finding_and_one_that_fails_is_the_reason(processes):
    whole = Reproduction("whole", "t", "so", sum_of, (Part("a", two, 2), Part("b", two, 1)))
    parted = Reproduction("parted", "t", "so", sum_of, (Part("a", broken, 9),))
    found = {each.name: finding for each, finding in made([parted, whole], processes, ProgressLines(2))}
    total, process = found["whole"].sentence.split(" by ")
    assert total == "4.0" and (int(process) == os.getpid()) is (processes == 1)
    assert found["parted"].failed and "ZeroDivisionError: of a part" in found["parted"].sentence
    assert active_children() == []


def test_of_one_that_cannot_be_made_no_other_part_is_waited_for():
    parted = Reproduction(
        "parted", "t", "so", sum_of, tuple(Part(each.__name__, each, 1) for each in (endless, killed))
    )
    ((_, finding),) = made([parted], 2, ProgressLines(1))
    assert finding.failed and active_children() == []


def test_who_does_not_wait_for_the_rest_leaves_no_process_behind():
    both = made([Reproduction(each.__name__, "t", "so", each) for each in (killed, endless)], 2, ProgressLines(2))
    assert next(both)[1].failed and len(active_children()) == 1
    both.close()
    assert active_children() == []
