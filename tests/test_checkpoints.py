"""Checkpoints as files: what was written comes back, and anything else is refused with its reason."""

from __future__ import annotations

import io
import json
import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

from biglearn_sampler.checkpoints import CheckpointFiles, Refused
from biglearn_sampler.checkpoints.sealed import NAME, VERSION, sealed, unsealed
from biglearn_sampler.checkpoints.typed_tree import Misfit, flattened
from biglearn_sampler.energy import Evaluations
from biglearn_sampler.engine.account import Books
from biglearn_sampler.engine.archive import Archive, Mode
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.search import SearchState
from biglearn_sampler.engine.settle import Fit
from biglearn_sampler.engine.state import EngineState, Exploring, Factoring, GeneratorState
from biglearn_sampler.mixture import GaussianMixture
from biglearn_sampler.runs.checkpoint import Checkpoint


class Pair(NamedTuple):
    first: int
    second: float


@dataclass(frozen=True, eq=False)
class Plain:
    """Everything that may stand in a checkpoint."""

    count: int
    share: float
    flag: bool
    name: str | None
    pair: Pair
    pairs: tuple[Pair, ...]
    blocks: tuple[tuple[int, ...], ...]
    by_name: Mapping[str, float]
    points: Float[np.ndarray, "count dim"]
    values: Float[np.ndarray, " count"]
    numbers: Int[np.ndarray, "*shape"]
    on_device: Float[Array, " dim"]
    either: Pair | GaussianMixture | None = None


PLAIN = Plain(
    count=2**127 + 1,
    share=0.1 + 0.2,
    flag=False,
    name=None,
    pair=Pair(-3, np.inf),
    pairs=(Pair(1, np.nan), Pair(2, -np.inf)),
    blocks=((0, 2), (1,)),
    by_name={"a": 5e-324, "ä": -0.0},
    points=np.asfortranarray(np.arange(6.0).reshape(3, 2)),
    values=np.array([np.nan, np.inf, 1e-300]),
    numbers=np.zeros((0, 3), np.int64),
    on_device=jnp.array([1.0, 2.0]),
    either=GaussianMixture.of([[0.0, 1.0]], 1.0),
)


def bits(value: Any, kind: Any) -> tuple[str, list[Any]]:
    content, arrays = flattened(value, kind)
    return json.dumps(content), [(a.dtype, a.shape, a.flags.f_contiguous, a.tobytes("A")) for a in arrays]


def searching() -> EngineState:
    generator = np.random.default_rng(5)
    searchers = Population.at(generator.normal(size=(4, 2)), 0.3)
    mode = Mode(np.ones(2), np.eye(2), -np.inf, generator.normal(size=(4, 2)), np.zeros(4), settled=True)
    search = SearchState(
        searchers,
        Archive(2, (mode,)),
        rounds=3,
        failures=2,
        ages=np.arange(4),
        confirming=np.array([True, False, False, True]),
        origins=(None, "near", "seen", None),
        swept=False,
        wins={"near": 0.3},
        trials={"near": 1.9},
    )
    fit = Fit(searchers, searchers, 0.25, -1.5)
    books = Books({"search": Evaluations(3, 4)}, 7, 1, 12.5)
    key = np.array([0, 2**32 - 1], np.uint32)
    return EngineState(
        Exploring(search, fit, np.inf, 2), key, GeneratorState.of(generator), 40, books, 1.5, moves=("{}",)
    )


# what was written comes back


@pytest.mark.parametrize(("value", "kind"), [(PLAIN, Plain), (searching(), EngineState)], ids=["plain", "engine"])
def test_what_was_sealed_comes_back_bit_for_bit(value: Any, kind: Any) -> None:
    again = unsealed(kind, sealed(value, kind))
    assert type(again) is kind and bits(again, kind) == bits(value, kind)


def test_types_of_python_and_of_the_device_are_kept() -> None:
    again = unsealed(Plain, sealed(PLAIN, Plain))
    assert type(again.pair) is Pair and type(again.blocks) is tuple and type(again.either) is GaussianMixture
    assert isinstance(again.on_device, jnp.ndarray) and isinstance(again.points, np.ndarray)
    assert again.count == 2**127 + 1 and again.flag is False and np.signbit(again.by_name["ä"])


def test_a_generator_goes_on_where_it_was() -> None:
    generator = np.random.default_rng(3)
    generator.integers(10, size=3, dtype=np.uint32)  # leaves half of 64 bits over
    copy = GeneratorState.of(generator).generator()
    assert copy.bit_generator.state == generator.bit_generator.state
    assert generator.normal(size=5).tolist() == copy.normal(size=5).tolist()
    with pytest.raises(ValueError, match="expected the state of a PCG64 generator"):
        GeneratorState(2**128, 1, 0, 0)


def test_what_is_not_of_its_type_cannot_be_written() -> None:
    with pytest.raises(Misfit, match="is not of the type"):
        flattened(object(), object)


# anything else is refused


def test_a_flipped_bit_or_a_lost_byte_is_refused() -> None:
    whole, chance = sealed(searching(), EngineState), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        if bytes(damaged) != whole:
            with pytest.raises(Refused):
                unsealed(EngineState, bytes(damaged))
    for length in {*range(120), *(chance.randrange(len(whole)) for _ in range(100))}:
        with pytest.raises(Refused):
            unsealed(EngineState, whole[:length])


def forged(payload: bytes) -> bytes:
    """Under a seal that is right."""
    return b"%s %d\n%s\n%s" % (NAME, VERSION, sha256(payload).hexdigest().encode(), payload)


def archive(content: Any, *arrays: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(file, allow_pickle=pickled, content=text, **{str(i): array for i, array in enumerate(arrays)})
    return file.getvalue()


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("code was run",))


EVALUATIONS = {"energy": 1, "gradient": 2, "exact_channel": 3}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04", "it is no checkpoint"),
        (b"x" * 1000, "it is no checkpoint"),
        (
            b"biglearn checkpoint 999\n",
            f"it is a checkpoint of version 999, and this version of biglearn reads version {VERSION}",
        ),
        (b"biglearn checkpoint %d\n" % VERSION, "it was cut off or changed: its checksum is wrong"),
        (forged(b""), "it is no checkpoint"),
        (forged(pickle.dumps(Evil())), "it is no checkpoint"),
        (forged(archive({}, np.array([Evil()], object), pickled=True)), "it is no checkpoint"),
        (forged(archive([])), r"it does not hold what is expected \(content: expected a Evaluations with energy, grad"),
        (
            forged(archive({**EVALUATIONS, "more": 1})),
            "expected a Evaluations with energy, gradient, exact_channel, got",
        ),
        (forged(archive({**EVALUATIONS, "energy": True})), "energy: expected int, got True"),
        (forged(archive({**EVALUATIONS, "energy": 1.5})), "energy: expected int, got 1.5"),
    ],
)
def test_foreign_bytes_are_refused_and_run_nothing(data: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told):
        unsealed(Evaluations, data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"points": 99}, "points: expected the number of an array, got 99"),
        ({"points": "0"}, "points: expected the number of an array, got 0"),
        ({"values": 0}, "values: expected .* got float64 \\(3, 2\\)"),
        ({"points": 2}, "points: expected .* got int64 \\(0, 3\\)"),
        ({"pair": [1, 2]}, "pair: expected a Pair with first, second"),
        ({"pairs": {}}, "pairs: expected a list, got {}"),
        ({"blocks": [[0.5]]}, r"blocks\[0\]\[0\]: expected int, got 0.5"),
        ({"by_name": []}, r"by_name: expected an object, got \[\]"),
        ({"share": "infinite"}, "share: expected float, got infinite"),
        ({"name": 3}, "name: expected str, got 3"),
        ({"either": {"is": "Plain"}}, "either: expected one of Pair, GaussianMixture, got"),
        ({"either": {"is": "os.system", "command": "true"}}, "either: expected one of Pair, GaussianMixture, got"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(change: Mapping[str, Any], told: str) -> None:
    content, arrays = flattened(PLAIN, Plain)
    with pytest.raises(Refused, match=rf"it does not hold what is expected \({told}"):
        unsealed(Plain, forged(archive({**content, **change}, *arrays)))


def test_arrays_of_one_record_agree_about_their_dimensions() -> None:
    content, arrays = flattened(PLAIN, Plain)
    with pytest.raises(Refused, match=r"values: expected .*count.*, got float64 \(4,\)"):
        unsealed(Plain, forged(archive(content, arrays[0], np.zeros(4), *arrays[2:])))


def test_numbers_of_another_precision_are_refused() -> None:
    content, arrays = flattened(PLAIN, Plain)
    doubled = [*arrays[:3], arrays[3].astype(np.float64), *arrays[4:]]
    with pytest.raises(Refused, match="on_device: expected the precision that JAX has now, got float64"):
        unsealed(Plain, forged(archive(content, *doubled)))


def test_a_stage_of_another_name_is_refused() -> None:
    content, arrays = flattened(searching(), EngineState)
    content["stage"]["is"] = Factoring.__name__
    with pytest.raises(Refused, match="stage: expected a Factoring with archive, fit, blocks, factors, got"):
        unsealed(EngineState, forged(archive(content, *arrays)))


def test_every_type_in_a_checkpoint_is_known() -> None:
    """Walks through the declared types alone, so that a new field of an unknown type is told here."""
    from biglearn_sampler.checkpoints import typed_tree as tree

    seen: set[Any] = set()

    def walk(kind: Any) -> None:
        if tree._is_array(kind) or kind in (int, float, bool, str, type(None), Ellipsis) or kind in seen:
            return
        seen.add(kind)
        assert tree._is_record(kind) or tree._is_union(kind) or tree._is_mapping(kind) or tree.get_origin(kind) is tuple
        for part in tree._fields(kind).values() if tree._is_record(kind) else tree.get_args(kind):
            walk(part)

    walk(Checkpoint)
    assert {EngineState, Exploring, Mode, Population, GaussianMixture} <= seen


# the last two


def files_in(folder: Path) -> CheckpointFiles:
    def replace(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)

    return CheckpointFiles(folder, Evaluations, replace)


def test_the_last_two_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    assert files.newest() == (None, []) and files_in(tmp_path / "nowhere").newest() == (None, [])
    for count in range(1, 5):
        files.write(Evaluations(count))
    (tmp_path / "foreign.txt").touch()
    assert files.names() == ["000003.checkpoint", "000004.checkpoint"]
    assert files.newest() == (Evaluations(4), [])
    (tmp_path / "000004.checkpoint").write_bytes(b"")
    assert files.newest() == (Evaluations(3), [f"{tmp_path / '000004.checkpoint'} cannot be used: it is empty"])
    (tmp_path / "000003.checkpoint").unlink()
    (tmp_path / "000003.checkpoint").mkdir()
    value, refused = files.newest()
    assert value is None and len(refused) == 2 and "Is a directory" in refused[1]
    (tmp_path / "000003.checkpoint").rmdir()
    files.write(Evaluations(5))
    assert files.newest() == (Evaluations(5), [])
    files.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.txt"]
