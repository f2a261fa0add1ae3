"""Trainings on several devices and in several processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_sampler.devices import ONE_DEVICE, Devices, link, meeting, processes
from biglearn_sampler.devices.link import Link
from biglearn_sampler.devices.meeting import Place, met
from biglearn_sampler.devices.messages import LENGTH, Foreign, Message
from biglearn_sampler.devices.processes import Follower, Leader
from biglearn_sampler.errors import RunFailed, SettingsError, TeamLost, UserError


def has_newer_protocol() -> bool:
    """Whether this machine can be reached by IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _nothing(sentence):
    """In place of the end of this process."""


@pytest.fixture
def pair():
    sockets = socket.socketpair()
    yield sockets
    for side in sockets:
        side.close()


def test_arrays_arrive_as_they_were_sent(pair):
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(True),
        np.zeros((0, 4)),
        np.array([1, 2], np.uint32),
    ]
    Message({"call": "it", "options": {"count": 3}}, arrays).send(pair[0])
    came = Message.receive(pair[1])
    assert came.header == {"call": "it", "options": {"count": 3}}
    for sent, arrived in zip(arrays, came.arrays, strict=True):
        assert sent.dtype == arrived.dtype
        np.testing.assert_array_equal(sent, arrived)


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        LENGTH.pack(2) + b"[]",
        LENGTH.pack(3) + b"{1}",
        LENGTH.pack(38) + b'{"header": {}, "forms": [["|O8", [1]]]}'[:38],
        *(
            LENGTH.pack(len(text)) + text
            for text in (
                b'{"header": {}, "forms": [["|O", [1]]]}',
                b'{"header": {}, "forms": [["<f4", [-1]]]}',
                b'{"header": {}, "forms": [["<f4", [99999, 99999, 99999]]]}',
            )
        ),
    ],
)
def test_what_is_no_message_is_refused(pair, content):
    pair[0].sendall(content)
    with pytest.raises(Foreign):
        Message.receive(pair[1])


def test_a_message_that_is_cut_off_is_none(pair):
    pair[0].sendall(LENGTH.pack(100) + b"{")
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        Message.receive(pair[1])


def test_a_process_that_has_gone_is_known_at_once(pair):
    mine = Link(pair[0], "process 1 of 2", _nothing)
    mine.check()
    pair[1].close()
    began = time.monotonic()
    with pytest.raises(TeamLost, match="process 1 of 2 has gone: its connection was closed; it was ended"):
        mine.next()
    assert time.monotonic() - began < 1.0
    with pytest.raises(TeamLost, match="has gone"):
        mine.send(Message({"call": "it"}))


def test_a_process_that_hangs_is_known_after_a_while(pair, monkeypatch):
    monkeypatch.setattr(link, "SILENCE", 0.2)
    with pytest.raises(TeamLost, match="process 1 of 2 has gone: nothing was heard of it for 0 seconds; it hangs"):
        Link(pair[0], "process 1 of 2", _nothing).next()


def test_a_process_that_does_not_notice_is_ended_with_the_sentence(pair):
    said = []
    Link(pair[0], "process 1 of 2", said.append, grace=0.1)
    pair[1].close()
    time.sleep(0.5)
    (sentence,) = said
    assert sentence.startswith("process 1 of 2 has gone: its connection was closed")


def test_signs_of_life_keep_a_quiet_process_there(pair, monkeypatch):
    monkeypatch.setattr(link, "SILENCE", 0.5)
    monkeypatch.setattr(link, "BEAT", 0.05)
    mine, other = Link(pair[0], "process 1 of 2", _nothing), Link(pair[1], "process 0 of 2", _nothing)
    time.sleep(1.0)
    mine.check()
    other.check()


def test_a_reason_travels_and_a_farewell_is_no_loss(pair):
    mine, other = Link(pair[0], "process 1 of 2", _nothing), Link(pair[1], "process 0 of 2", _nothing)
    other.close(processes.failed(ValueError("the energy\n is  gone")))
    with pytest.raises(TeamLost, match="process 1 of 2 failed: the energy is gone. The processes of a run"):
        mine.next()
    mine.close(Message({}))


@pytest.fixture
def team_of_four():
    """A process that leads, and the other ends of its connections, by number."""
    sockets = {number: socket.socketpair() for number in (1, 2, 3)}
    leader = Leader([Link(mine, f"process {number} of 4", _nothing) for number, (mine, _) in sockets.items()])
    yield leader, {number: Link(other, "process 0 of 4", _nothing) for number, (_, other) in sockets.items()}
    leader.dismiss()
    for both in sockets.values():
        for side in both:
            side.close()


def test_an_argument_is_told_again_after_another_one_stood_in_its_place(team_of_four):
    leader, _ = team_of_four
    one, other = jnp.ones(2), np.zeros(2)
    assert [leader._is_news("f", 0, leaf) for leaf in (one, one, other, one, one)] == [True, False, True, True, False]


def _fails(*arguments):
    raise RuntimeError("the collective failed")


def _told_after(seconds, others, failing, gone=None):
    """Have some processes fail in the order in which they are named, and another one go later."""

    def work():
        for number in failing:
            others[number].close(processes.failed(RuntimeError("the connection was closed by its peer")))
            time.sleep(seconds)
        if gone is not None:
            others[gone]._connection.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=work).start()


def test_a_process_that_has_gone_is_named_before_those_that_failed_because_of_it(team_of_four):
    leader, others = team_of_four
    _told_after(0.2, others, failing=(2, 1), gone=3)
    with pytest.raises(TeamLost, match="process 3 of 4 has gone: its connection was closed"):
        leader.shared("it", _fails)()
    with pytest.raises(TeamLost, match="process 3 of 4 has gone: its connection was closed"):
        leader._tell(Message({"call": "it"}))


def test_a_process_that_failed_by_itself_is_named_in_a_short_time(team_of_four):
    leader, others = team_of_four
    _told_after(0.2, others, failing=(2, 1))
    began = time.monotonic()
    with pytest.raises(TeamLost, match="process 2 of 4 failed: the connection was closed by its peer"):
        leader.shared("it", _fails)()
    assert time.monotonic() - began < processes.MOMENT


def test_what_failed_in_the_leading_process_alone_is_told_before_the_others_give_up(team_of_four):
    leader, _ = team_of_four
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="the collective failed"):
        leader.shared("it", _fails)()
    assert time.monotonic() - began < processes.MOMENT


def test_processes_call_the_same_function_with_the_same_arguments(pair):
    import jax

    leader, follower = (
        Leader([Link(pair[0], "process 1 of 2", _nothing)]),
        Follower(Link(pair[1], "process 0 of 2", _nothing), 2),
    )
    calls = []

    def function(points, key, *, count):
        calls.append((np.asarray(points).tolist(), jax.random.key_data(key).tolist(), count))
        return points

    def example():
        return np.zeros(1), jax.random.key(0)

    follower.shared("it", function, example)
    shared = leader.shared("it", function, example)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(follower._link.next().header) or follower.follow())
    thread.start()
    leader._tell(Message({"first": True}))
    points = jax.numpy.arange(3.0)
    shared(points, jax.random.key(5), count=2)
    shared(points, jax.random.key(6), count=3)
    leader.dismiss()
    thread.join(10)
    told = {(str(points), str(key), count) for points, key, count in calls}
    assert told == {("[0.0, 1.0, 2.0]", "[0, 5]", 2), ("[0.0, 1.0, 2.0]", "[0, 6]", 3)}
    assert len(calls) == 4
    assert ended == [{"first": True}]
    shared(points, jax.random.key(7), count=4)  # alone from here on
    assert len(calls) == 5


def test_a_follower_is_let_go_where_there_is_nothing_to_do(pair):
    """As where a run is finished that both were to resume."""
    leader, follower = (
        Leader([Link(pair[0], "process 1 of 2", _nothing)]),
        Follower(Link(pair[1], "process 0 of 2", _nothing), 2),
    )
    thread = threading.Thread(target=leader.dismiss)
    thread.start()
    with pytest.raises(processes.Dismissed):
        follower.agree({"the seed": 3})
    follower.end(Message({"over": True}))
    thread.join(10)


def test_a_follower_that_was_asked_for_something_else_says_so(pair):
    leader, follower = (
        Leader([Link(pair[0], "process 1 of 2", _nothing)]),
        Follower(Link(pair[1], "process 0 of 2", _nothing), 2),
    )
    told = []

    def agree():
        try:
            leader.agree({"the seed": 3, "the target": {"name": "a", "parts": (1, 2)}})
        except TeamLost as error:
            told.append(str(error))

    thread = threading.Thread(target=agree)
    thread.start()
    with pytest.raises(SettingsError, match="here the seed is 4, and in process 0 3; give the same command everywhere"):
        follower.agree({"the seed": 4, "the target": {"name": "a", "parts": (1, 2)}})
    follower.end(processes.failed(SettingsError("not the same")))
    thread.join(10)
    assert told == ["process 1 of 2 failed: not the same. The processes of a run can only go on together"]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ((None, 1, 2), r"missing: --coordinator"),
        (("a:1", None, None), r"missing: --process-id, --processes"),
        (("a", 0, 2), r"--coordinator must be HOST:PORT, such as 10.0.0.1:9876, got 'a'"),
        (("a:x", 0, 2), r"must be HOST:PORT"),
        ((":99", 0, 2), r"must be HOST:PORT"),
        (("a:70000", 0, 2), r"must be HOST:PORT"),
        (("a:1", 2, 2), r"--process-id must be from 0 to 1, one less than --processes, got 2"),
        (("a:1", -1, 2), r"--process-id must be from 0 to 1"),
        (("a:1", 0, 0), r"--process-id must be from 0 to 0"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(told, problem):
    with pytest.raises(UserError, match=problem):
        Place.of(*told)


def test_a_place_is_read():
    assert Place.of(None, None, None) is None
    assert Place.of("[::1]:5", 1, 2) == Place("::1", 5, 1, 2)


def test_a_run_of_one_process_has_nobody_to_meet():
    for place in (None, Place("127.0.0.1", 1, 0, 1)):
        with met(place) as team:
            assert (team.size, team.follows) == (1, False)


@pytest.fixture
def no_jax(monkeypatch):
    """Processes meet without having JAX meet as well, and never end this one."""
    monkeypatch.setattr(meeting, "_join", lambda place, port: None)
    monkeypatch.setattr(meeting, "_leave_at_once", lambda error: None)


@pytest.mark.skipif(not has_newer_protocol(), reason="this machine has no address of IPv6")
def test_the_first_process_listens_at_an_address_of_the_newer_protocol(no_jax, monkeypatch):
    told = []
    monkeypatch.setattr(meeting, "_join", lambda place, port: told.append(place.address(port)))
    place = Place.of(f"[::1]:{_free_port()}", 0, 2)
    assert place is not None

    def lead():
        with met(place):
            pass

    leading = threading.Thread(target=lead)
    leading.start()
    with met(replace(place, number=1)) as team:
        assert isinstance(team, Follower)
        leading.join(10)
    assert len(told) == 2 and told[0] == told[1] and told[0].startswith("[::1]:")


def test_strangers_are_told_why_they_do_not_belong(no_jax, monkeypatch):
    port, told = _free_port(), {}

    def lead():
        with met(Place("127.0.0.1", port, 0, 2)) as team:
            told["size"] = team.size

    leading = threading.Thread(target=lead)
    leading.start()
    scanner = meeting._connected(Place("127.0.0.1", port, 1, 2))
    scanner.sendall(b"HELO\r\n")
    scanner.close()
    for place, problem in [
        (Place("127.0.0.1", port, 1, 3), "--processes is 3 here and 2 in process 0"),
        (Place("127.0.0.1", port, 2, 2), "a process with the number 2 is there already"),
    ]:
        with pytest.raises(UserError, match=f"refused this process: {problem}"), met(place):
            pass
    with monkeypatch.context() as older:
        answers = iter([{"jax": "0.1"}, meeting._versions(), meeting._versions(), meeting._versions()])
        older.setattr(meeting, "_versions", lambda: next(answers))
        with (
            pytest.raises(UserError, match="the versions here are {'jax': '0.1'}"),
            met(Place("127.0.0.1", port, 1, 2)),
        ):
            pass
    with met(Place("127.0.0.1", port, 1, 2)) as team:
        assert isinstance(team, Follower)
        leading.join(10)
        assert told == {"size": 2}


def test_processes_that_do_not_come_are_named(no_jax, monkeypatch):
    monkeypatch.setattr(meeting, "PATIENCE", 0.1)
    port = _free_port()
    with pytest.raises(RunFailed, match=r"of 3 processes these did not come within 0 seconds: \[1, 2\]"):
        with met(Place("127.0.0.1", port, 0, 3)):
            pass
    with pytest.raises(RunFailed, match=f"process 0 was not found at 127.0.0.1:{port} within 0 seconds"):
        with met(Place("127.0.0.1", port, 1, 3)):
            pass


def test_a_port_that_is_taken_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"process 0 cannot listen at 127.0.0.1:{port}: .*a port that is free"):
            with met(Place("127.0.0.1", port, 0, 2)):
                pass


def test_one_device_is_the_default_and_changes_nothing():
    assert Devices.of() is ONE_DEVICE
    function = np.sin
    assert ONE_DEVICE.asked(function) is function
    assert ONE_DEVICE.everywhere is None


def test_devices_that_are_not_there_are_told_with_what_there_is():
    with pytest.raises(
        SettingsError,
        match=r"devices.count: 99 devices were asked for, and this machine has \d+ \(cpu\); give --devices \d+; a CPU "
        "is divided into as many by the environment variable JAX_NUM_CPU_DEVICES=99",
    ):
        Devices.of(99)
    with pytest.raises(
        SettingsError, match="devices.components: 2 parts were asked for; expected a power of two up to 32"
    ):
        Devices.of(1, 2)


@pytest.fixture(scope="module")
def four_devices():
    """What `four_devices.py` tells."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4"}
    script = Path(__file__).with_name("four_devices.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_points_get_their_own_answers_on_any_number_of_devices(four_devices):
    assert four_devices["answers"] == [True] * 12


def test_a_stretch_of_steps_does_not_depend_on_the_number_of_devices(four_devices):
    two, four = four_devices["stretches"]
    assert two == four


def test_gradients_are_summed_once_over_devices(four_devices):
    assert four_devices["gradients"] < 1e-5


def test_components_that_cannot_be_divided_are_refused(four_devices):
    refused = "components: 63 cannot be divided into the 2 parts of devices.components; give a multiple"
    assert four_devices["refused"] == [None, refused]


def test_divided_components_take_less_memory_and_learn_the_same(four_devices):
    assert four_devices["difference"] < 1e-4
    assert four_devices["share"] < 0.35


@pytest.fixture
def started():
    """Starts processes that end with the test."""
    processes = []

    def start(*arguments):
        script = Path(__file__).with_name("one_of_several.py")
        # Of as many threads, which decide how sums are divided and so about their last digits.
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2", "NPROC": "2"}
        command = [sys.executable, script, *map(str, arguments)]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _ended(process, seconds):
    """The status of a process that ends in time, and the last line it said."""
    text, _ = process.communicate(timeout=seconds)
    return process.returncode, text.strip().splitlines()[-1]


def test_two_processes_give_what_two_devices_give_and_share_the_work(started):
    meeting_point = f"127.0.0.1:{_free_port()}"
    leading, following = (started(meeting_point, number, 2, 1) for number in range(2))
    status, processes = _ended(leading, 100)
    assert (status, len(processes)) == (0, 64)
    # 5 evaluations for each point without a gradient; half of 16 points in 10 steps of 2 stretches.
    assert _ended(following, 30) == (0, "asked for 800")
    assert _ended(started(meeting_point, 0, 1, 2), 100) == (0, processes)


@pytest.mark.slow
@pytest.mark.skipif(not has_newer_protocol(), reason="this machine has no address of IPv6")
def test_two_processes_meet_at_an_address_of_the_newer_protocol(started):
    meeting_point = f"[::1]:{_free_port()}"
    leading, following = (started(meeting_point, number, 2, 1) for number in range(2))
    assert _ended(leading, 100)[0] == 0
    assert _ended(following, 30) == (0, "asked for 800")


@pytest.mark.slow
def test_the_other_process_ends_at_once_when_one_is_killed(started):
    meeting_point = f"127.0.0.1:{_free_port()}"
    leading, following = (started(meeting_point, number, 2, 1, 25) for number in range(2))
    assert following.wait(100) == -signal.SIGKILL
    assert _ended(leading, 10) == (
        1,
        "error: process 1 of 2 has gone: its connection was closed; it was ended, or its machine was. The processes of "
        "a run can only go on together",
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
