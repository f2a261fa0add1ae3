"""The folder of a run: whole files or none, whatever breaks while they are written or lies there when they are read."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biglearn_sampler.catalogue import Catalogue, Entry, hookimpl
from biglearn_sampler.energy import AbstractTarget, MixtureTarget
from biglearn_sampler.errors import CatalogueError, RunFailed, RunFolderError, UserError
from biglearn_sampler.mixture import GaussianMixture, Mixture
from biglearn_sampler.runs import Settings, Snapshot, load, save
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.whole_files import FORMAT

MIXTURE = GaussianMixture.of([[0.0, 1.0], [2.0, 3.0]], 0.5, [0.3, 0.7])
OTHER = GaussianMixture.of([[5.0, 5.0], [2.0, 3.0]], 0.5)
RECORD = {
    "format": FORMAT,
    "status": "finished",
    "target": {"name": "plain", "parameters": {"inner": {"name": "plain", "parameters": {"width": "inf"}}}},
    "settings": Settings().model_dump(mode="json"),
}


def plain(
    width: Annotated[float, "of nothing"] = 1.0, inner: Annotated[AbstractTarget | None, "of nothing"] = None
) -> AbstractTarget:
    return MixtureTarget.of(GaussianMixture.of([[width if np.isfinite(width) else 9.0, 0.0]], 1.0), scale=1.0)


class Plugin:
    @hookimpl
    def biglearn_targets(self):
        return [Entry(name="plain", build=plain, summary="for tests")]


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """A complete run."""
    made = RunFolder.create(tmp_path / "run")
    made.write_json("run.json", RECORD)
    made.write_mixture(MIXTURE)
    made.write_json("metrics.json", {"elbo": -1.0, "khat": None})
    made.write_snapshots([Snapshot(0, OTHER), Snapshot(20, MIXTURE)])
    for step in (10, 20):
        made.append_history({"step": step, "loss": {"joint": None}})
    return made


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(plugins={"tests": Plugin()}, entry_points=False)


def same(one: Mixture, other: Mixture) -> bool:
    return all(
        a.dtype == b.dtype and np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


# what is written comes back


def test_all_that_was_written_comes_back(folder):
    assert same(folder.read_mixture(), MIXTURE)
    first, last = folder.read_snapshots()
    assert (first.step, last.step) == (0, 20)
    assert same(first.mixture, OTHER) and same(last.mixture, MIXTURE)
    assert folder.read_json("metrics.json") == {"elbo": -1.0, "khat": None}
    assert [row["step"] for row in folder.read_history()] == [10, 20]
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "figures",
        "history.jsonl",
        "metrics.json",
        "run.json",
        "sampler.npz",
        "snapshots.npz",
    ]


def test_the_sampler_is_no_pickle_and_knows_its_format(folder):
    with np.load(folder.path / "sampler.npz", allow_pickle=False) as stored:
        assert int(stored["format"]) == FORMAT
        assert set(stored) == {"format", "log_weights", "means", "factors"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_takes_no_number_that_is_none_and_keeps_the_old_file(value, folder):
    before = (folder.path / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json("metrics.json", {"elbo": value})
    assert (folder.path / "metrics.json").read_bytes() == before


def test_load_gives_the_run_and_builds_nested_entries_of_its_target(folder, catalogue):
    run = load(folder.path, catalogue=catalogue)
    assert same(run.sampler, MIXTURE)
    assert (run.name, run.target.dim, run.folder) == ("plain", 2, folder.path)
    assert run.metrics["khat"] is None and len(run.history) == 2 and len(run.snapshots) == 2


def test_load_works_without_what_an_interrupted_run_did_not_write(folder, catalogue):
    for name in ("metrics.json", "history.jsonl", "snapshots.npz"):
        (folder.path / name).unlink()
    run = load(folder.path, catalogue=catalogue)
    assert (run.metrics, run.history, run.snapshots) == ({}, [], [])


def test_what_is_no_run_is_not_saved(unchecked_types, tmp_path):
    with pytest.raises(UserError, match="save takes a run, as train gives it, got str"):
        save("sampler", tmp_path / "saved")  # pyright: ignore[reportArgumentType]
    assert not (tmp_path / "saved").exists()


def test_a_run_without_a_folder_can_be_saved_into_one(folder, catalogue, tmp_path):
    loaded = load(folder.path, catalogue=catalogue)
    saved = load(save(loaded, tmp_path / "saved"), catalogue=catalogue)
    for name in ("name", "metrics", "history", "record"):
        assert getattr(saved, name) == getattr(loaded, name)
    points = jnp.zeros((1, loaded.sampler.dim))
    assert saved.sampler.log_density(points) == loaded.sampler.log_density(points)
    assert [snapshot.step for snapshot in saved.snapshots] == [snapshot.step for snapshot in loaded.snapshots]
    with pytest.raises(RunFolderError, match="saved"):
        save(loaded, tmp_path / "saved")
    # A run that was killed has a sampler and no snapshots yet.
    (folder.path / "snapshots.npz").unlink()
    cut_short = load(folder.path, catalogue=catalogue)
    again = load(save(cut_short, tmp_path / "again"), catalogue=catalogue)
    assert same(again.sampler, cut_short.sampler) and again.snapshots == []


def test_load_takes_a_target_or_a_name(folder, catalogue):
    assert load(folder.path, target="plain", catalogue=catalogue).target.dim == 2
    target = plain(width=3.0)
    assert load(folder.path, target=target, catalogue=catalogue).target is target
    with pytest.raises(CatalogueError, match="there is no target 'plan'; did you mean 'plain'"):
        load(folder.path, target="plan", catalogue=catalogue)


def test_load_refuses_a_target_of_another_dimension(folder, catalogue):
    other = MixtureTarget.of(GaussianMixture.of([[0.0]], 1.0), scale=1.0)
    with pytest.raises(RunFolderError, match="holds a sampler of dimension 2, and the target has dimension 1"):
        load(folder.path, target=other, catalogue=catalogue)


# new folders


def test_a_folder_that_holds_something_is_left_alone(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    with pytest.raises(RunFolderError, match="exists already and is not empty; give another --out, or remove it"):
        RunFolder.create(folder.path)
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty").figures.is_dir()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "Not a directory; it is a file, give the name of a new folder"),
        ("file/below", "Not a directory"),
        ("nul\0", "embedded null byte"),
        ("long" * 100, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(name, reason, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=f"^the output folder .*{name} cannot be made: {reason}$"):
        RunFolder.create(tmp_path / name)
    with pytest.raises(RunFolderError, match=f"^the output folder .*{name}/x-001 cannot be made: "):
        RunFolder.create_numbered(tmp_path / name / "x")


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "nowhere" / "x")
    with pytest.raises(RunFolderError, match="cannot be made: File exists"):
        RunFolder.create_numbered(tmp_path / "runs" / "grid")


def test_numbered_folders_take_the_next_number(tmp_path):
    (tmp_path / "runs" / "grid-002").mkdir(parents=True)
    made = [RunFolder.create_numbered(tmp_path / "runs" / "grid").path.name for _ in range(3)]
    assert made == ["grid-001", "grid-003", "grid-004"]


def test_runs_that_start_at_once_never_share_a_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = [folder.path.name for folder in pool.map(RunFolder.create_numbered, [tmp_path / "grid"] * 40)]
    assert sorted(made) == [f"grid-{number:03d}" for number in range(1, 41)]


# a full disk


def no_room(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


WRITES = {
    "run.json": lambda folder: folder.write_json("run.json", {"status": "failed"}),
    "sampler.npz": lambda folder: folder.write_mixture(OTHER),
    "snapshots.npz": lambda folder: folder.write_snapshots([Snapshot(0, OTHER)]),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("broken", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_the_file_of_before(name, broken, folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    monkeypatch.setattr(broken, no_room)
    with pytest.raises(RunFailed) as caught:
        WRITES[name](folder)
    monkeypatch.undo()
    assert str(caught.value) == (
        f"{folder.path / name} cannot be written: No space left on device. What was written before stays readable; "
        "free some room or give another --out, and run again"
    )
    assert {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_device_that_is_full_ends_the_history_with_a_word(folder):
    (folder.path / "history.jsonl").unlink()
    (folder.path / "history.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunFailed, match=r"history\.jsonl cannot be written: No space left on device\. What was"):
        folder.append_history({"step": 1})


def test_an_interrupt_while_writing_leaves_the_file_of_before(folder, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        folder.write_mixture(OTHER)
    assert same(folder.read_mixture(), MIXTURE)
    assert not list(folder.path.glob(".*"))


# damage


def test_a_row_that_was_cut_off_costs_itself_only(folder):
    path = folder.path / "history.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert len(folder.read_history()) == whole[:length].count(b"\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"step": 1}\n{"st\n{"step": 3}\n', "cannot be read: Unterminated string"),
        (b"[1]\n", "cannot be read: expected a JSON object in each line"),
        (b"\xff\n", "cannot be read: 'utf-8' codec can't decode"),
        (b"[" * 100_000 + b"\n", "cannot be read: maximum recursion depth"),
    ],
)
def test_a_damaged_history_is_told(content, told, folder, catalogue):
    (folder.path / "history.jsonl").write_bytes(content)
    with pytest.raises(RunFolderError, match=rf"history\.jsonl {told}"):
        load(folder.path, catalogue=catalogue)


def altered(**changes) -> bytes:
    return json.dumps({**RECORD, **changes}).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected the record of a run, with its target and its settings"),
        (b"{}", "expected the record of a run, with its target and its settings"),
        (b"[]", "expected a JSON object, got list"),
        (b"{", "Expecting property name"),
        (b"\xff", "'utf-8' codec can't decode"),
        (b"9" * 5000, "Exceeds the limit"),
        (altered(target=[]), "expected the record of a run"),
        (
            json.dumps({"format": FORMAT, "status": "finished", "cluster": {"components": 3}}).encode(),
            "run holds a clustering, as `biglearn cluster` writes it, and no run; `biglearn sample` draws from it",
        ),
        (altered(settings=None), "expected the record of a run"),
        (altered(format=FORMAT + 1), f"has format {FORMAT + 1}, and this version of biglearn reads format {FORMAT}"),
        (altered(format=None), "has format None"),
        (altered(target={"name": "../../etc/passwd", "parameters": {}}), "there is no target '../../etc/passwd'"),
        (altered(target={"name": "plain", "parameters": {"widht": 1}}), "did you mean 'width'"),
        (altered(target={"name": "plain", "parameters": [1]}), "cannot be built again"),
        (altered(target={"name": "plain"}), r"cannot be built again \('parameters'\); load it with load\(folder, "),
        (altered(target={"parameters": {}}), "cannot be built again"),
        (altered(target={"name": 3, "parameters": {}}), "cannot be built again"),
    ],
)
def test_a_foreign_record_is_told(content, told, folder, catalogue):
    (folder.path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=told):
        load(folder.path, catalogue=catalogue)


def test_a_folder_without_a_run_is_told(tmp_path, catalogue):
    with pytest.raises(RunFolderError, match=r"nowhere does not exist; expected the folder of a run, as `biglearn tr"):
        load(tmp_path / "nowhere", catalogue=catalogue)
    with pytest.raises(RunFolderError, match=r"holds no run\.json; expected the folder of a run"):
        load(tmp_path, catalogue=catalogue)
    with pytest.raises(RunFolderError, match="does not exist"):
        load("long" * 1000, catalogue=catalogue)


def test_a_run_without_a_sampler_is_told(folder, catalogue):
    (folder.path / "sampler.npz").unlink()
    with pytest.raises(RunFolderError, match="does not exist; the run did not get as far as writing a sampler"):
        load(folder.path, catalogue=catalogue)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("evil",))


def write_pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def write_objects(path: Path) -> None:
    arrays = {"means": np.array([[Evil()]], object), "log_weights": np.zeros(1), "factors": np.ones((1, 1, 1))}
    np.savez(path, allow_pickle=True, format=np.array(FORMAT), **arrays)


def write_arrays(**changes):
    def write(path: Path) -> None:
        arrays = {name: np.asarray(getattr(MIXTURE, name)) for name in ("log_weights", "means", "factors")}
        kept = {name: array for name, array in {"format": FORMAT, **arrays, **changes}.items() if array is not None}
        np.savez(path, allow_pickle=False, **kept)

    return write


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda path: path.write_bytes(b""), r"it is damaged, or no file of a run \("),
        (lambda path: path.write_bytes(b"not a zip file"), r"it is damaged, or no file of a run$"),
        (lambda path: path.mkdir(), r"it is damaged, or no file of a run \(IsADirectoryError"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"), "it is damaged, or no file of a run"),
        (write_pickled, "it is damaged, or no file of a run"),
        (write_objects, "it is damaged, or no file of a run"),
        (write_arrays(format=None), "it is damaged, or no file of a run"),
        (write_arrays(means=None), "it is damaged, or no file of a run"),
        (write_arrays(format=FORMAT + 1, means=None), f"has format {FORMAT + 1}, and this version of biglearn reads"),
        (write_arrays(means=np.zeros(2)), r"expected finite numbers of shapes \(K,\), \(K, D\), \(K, D, D\), got "),
        (write_arrays(means=np.zeros((2, 0)), factors=np.zeros((2, 0, 0))), "expected finite numbers"),
        (write_arrays(means=np.full((2, 2), np.nan)), "expected finite numbers"),
        (write_arrays(means=np.full((2, 2), "a")), "expected finite numbers"),
        (write_arrays(means=np.zeros((2, 2), complex)), "expected finite numbers"),
        (write_arrays(log_weights=np.zeros(3)), "expected finite numbers"),
    ],
)
def test_a_foreign_sampler_is_refused_and_runs_nothing(write, told, folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    (folder.path / "sampler.npz").unlink()
    write(folder.path / "sampler.npz")
    with pytest.raises(RunFolderError, match=rf"sampler\.npz (cannot be read: )?{told}"):
        folder.read_mixture()
    assert not Path("evil").exists()


@pytest.mark.parametrize("steps", [np.array(3), np.zeros(3, int), np.array([0.0, 1.0]), np.array(["a", "b"])])
def test_foreign_snapshots_are_refused(steps, folder):
    stacked = {name: np.stack([np.asarray(getattr(MIXTURE, name))] * 2) for name in ("log_weights", "means", "factors")}
    np.savez(folder.path / "snapshots.npz", allow_pickle=False, format=FORMAT, steps=steps, **stacked)
    with pytest.raises(RunFolderError, match=r"snapshots\.npz cannot be read: expected one step for each mixture"):
        folder.read_snapshots()


def test_flipped_and_lost_bytes_are_refused_or_harmless(folder):
    path = folder.path / "sampler.npz"
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged if chance.random() < 0.8 else whole[: chance.randrange(len(whole))])
        try:
            assert same(folder.read_mixture(), MIXTURE)
        except RunFolderError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/b.json", "", ".", "..", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name, folder):
    for act in (lambda: folder.files.read_json(name), lambda: folder.files.write_json(name, {"a": 1})):
        with pytest.raises(RunFolderError, match="is no name of a file in"):
            act()
    assert not (folder.path.parent / "outside.json").exists()


def test_a_link_that_waits_in_the_folder_is_not_followed(folder):
    victim = folder.path.parent / "victim"
    victim.write_text("mine")
    (folder.path / ".notes.json.partial").symlink_to(victim)
    (folder.path / "notes.json").symlink_to(victim)
    folder.write_json("notes.json", {"a": 1})
    assert victim.read_text() == "mine" and folder.read_json("notes.json") == {"a": 1}


def test_the_dtype_of_the_sampler_is_kept(folder):
    folder.write_mixture(MIXTURE)
    assert folder.read_mixture().means.dtype == jnp.zeros(()).dtype
