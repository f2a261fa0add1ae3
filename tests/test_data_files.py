"""Tables from files, agreement of labels, and `biglearn cluster`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from scipy.io import savemat

from biglearn_sampler.cli import main
from biglearn_sampler.data import FitInterrupted, fit_data
from biglearn_sampler.data.cluster import Clustering
from biglearn_sampler.data.course import Course
from biglearn_sampler.data.files import read_table
from biglearn_sampler.data.held_out import held_out
from biglearn_sampler.data.labels import read_labels
from biglearn_sampler.data.partitions import adjusted_rand_index, normalized_mutual_information
from biglearn_sampler.errors import DataError, RunFailed, RunFolderError, Terminated
from biglearn_sampler.runs.cluster_folder import draws_of_clustering
from biglearn_sampler.runs.folder import RunFolder

ROWS = np.array([[-4.0, 0.0], [0.0, 3.0], [4.0, 0.0]])[np.arange(90) % 3]
ROWS = ROWS + 0.4 * np.random.default_rng(0).normal(size=ROWS.shape)
KINDS = np.arange(90) % 3


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIGLEARN_PLUGINS", raising=False)
    return tmp_path


@pytest.fixture
def call(capsys):
    def run(*arguments) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return run


# files


def test_every_format_gives_the_same_table(here):
    np.savetxt("rows.csv", ROWS, delimiter=",", header="x,y", comments="")
    np.save("rows.npy", ROWS)
    np.savez("rows.npz", rows=ROWS, names=np.array(["x", "y"]))
    savemat("rows.mat", {"DataSet": ROWS})
    for ending in ("csv", "npy", "npz", "mat"):
        np.testing.assert_allclose(read_table(Path(f"rows.{ending}")), ROWS)


def test_empty_cells_are_nan(here):
    Path("rows.csv").write_text("1,2\n,3\nNA,?\n")
    np.testing.assert_array_equal(read_table(Path("rows.csv")), [[1, 2], [np.nan, 3], [np.nan, np.nan]])


def test_labels_are_a_column_or_a_file(here):
    table = np.column_stack([KINDS, ROWS])
    rest, labels = read_labels("first", table)
    assert rest.shape == (90, 2) and (labels == KINDS).all()
    assert (read_labels("last", table[:, ::-1])[1] == KINDS).all()
    Path("kinds.csv").write_text("\n".join(f"kind {kind}" for kind in KINDS))
    assert read_labels("kinds.csv", ROWS)[1][4] == "kind 1"
    np.save("kinds.npy", KINDS[:7])
    with pytest.raises(DataError, match="kinds.npy: expected one label for each of 90 points, got 7"):
        read_labels("kinds.npy", ROWS)
    np.save("kinds.npy", np.stack([KINDS[:45], KINDS[45:]], 1))
    with pytest.raises(DataError, match=r"kinds.npy: expected one column of labels, got a table of shape \(45, 2\)"):
        read_labels("kinds.npy", ROWS)
    np.save("kinds.npy", np.where(KINDS == 1, np.nan, KINDS))
    with pytest.raises(DataError, match="kinds.npy was to be labels, and row 1 has none"):
        read_labels("kinds.npy", ROWS)
    with pytest.raises(DataError, match="the last column was to be labels, and all 90 are different"):
        read_labels("last", table)
    with pytest.raises(DataError, match="the first column was to be labels, and row 0 has none"):
        read_labels("first", np.full((3, 2), np.nan))
    with pytest.raises(DataError, match="there is no file 'none.csv'; expected first or last"):
        read_labels("none.csv", ROWS)
    with pytest.raises(DataError, match="the first column was to be labels, and has 89 different ones for 90 points"):
        read_labels("first", np.vstack([ROWS[:1], ROWS[:-1]]))
    np.savez("kinds.npz", one=KINDS, other=KINDS)
    with pytest.raises(DataError, match="labels, which need one array of numbers, or a line for each in a .txt file: "):
        read_labels("kinds.npz", ROWS)


@pytest.mark.parametrize("heading", ["", "x,y,kind\n"])
def test_words_in_the_column_of_labels_are_classes(here, heading):
    names = np.array(["setosa", " virginica", "a"])[KINDS]
    lines = [f"{x},{y},{name}" for (x, y), name in zip(ROWS, names, strict=True)]
    Path("rows.csv").write_text(heading + "\n".join(lines))
    rest, labels = read_labels("last", read_table(Path("rows.csv"), classes="last"))
    np.testing.assert_allclose(rest, ROWS)
    assert adjusted_rand_index(labels, KINDS) == 1.0
    with pytest.raises(DataError, match="expected a number, got|beside"):
        read_table(Path("rows.csv"))
    Path("rows.csv").write_text(heading + "\n".join([*lines[:5], "1,2,", *lines[5:]]))
    with pytest.raises(DataError, match="the last column was to be labels, and row 5 has none"):
        read_labels("last", read_table(Path("rows.csv"), classes="last"))
    for absent in ("NaN", "na", "?"):
        Path("rows.csv").write_text(heading + "\n".join([*lines[:5], f"1,2,{absent}", *lines[5:]]))
        with pytest.raises(DataError, match="the last column was to be labels, and row 5 has none"):
            read_labels("last", read_table(Path("rows.csv"), classes="last"))
    Path("rows.csv").write_text("kind,x\nb,1\na,2\nb,3")
    assert read_table(Path("rows.csv"), classes="first").tolist() == [[1.0, 1.0], [0.0, 2.0], [1.0, 3.0]]


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("0,1,label\n5.1,3.5,setosa\n4.9,3,virginica\n5,3,setosa\n6,3,virginica", "last"),
        ("label,1,2\n0,3,4\n1,5,6\n0,7,8", "first"),
        ("2019,2020,class\n1,2,a\n3,4,b\n5,6,a", "last"),
    ],
)
def test_numbers_above_columns_are_no_point_of_a_class_of_its_own(here, content, column):
    Path("rows.csv").write_text(content)
    with pytest.raises(DataError, match="that no other line has, '(label|class)', and may be a heading"):
        read_table(Path("rows.csv"), classes=column)


def test_a_cell_with_an_underscore_is_no_number(here):
    Path("rows.csv").write_text("1,2\n1_0,3\n")
    with pytest.raises(DataError, match="row 1, column 0 .*: expected a number, got '1_0'"):
        read_table(Path("rows.csv"))


@pytest.mark.parametrize(
    ("content", "mark"),
    [("1;2\n3;4", "semicolons"), ("x;y\n1,5;2,5", "semicolons"), ("1\t2\n3\t4", "tabs"), ("1 2.5\n3 4", "spaces")],
)
def test_another_separator_is_told(here, content, mark):
    Path("rows.csv").write_text(content)
    with pytest.raises(DataError, match=f"its columns are separated by {mark}; expected commas"):
        read_table(Path("rows.csv"))


def test_a_file_without_a_table_says_what_it_holds(here):
    np.save("rows.npy", ROWS[None])
    with pytest.raises(
        DataError, match=r"no table of real numbers .* holds an array of shape \(1, 90, 2\) and type float64"
    ):
        read_table(Path("rows.npy"))
    np.savez("rows.npz", words=np.array(["a"]), turned=1j * ROWS)
    with pytest.raises(
        DataError, match=r"holds turned an array of shape \(90, 2\) and type complex128; words an array"
    ):
        read_table(Path("rows.npz"))


@pytest.mark.parametrize("content", ["a\nb\na\n", "kind\na\nb\na", "kind\na\nb\na\n\n\n", "a\nb\na\n\n", '"a"\nb\na'])
def test_a_line_more_than_points_is_a_heading(here, content):
    Path("kinds.csv").write_text(content)
    assert read_labels("kinds.csv", ROWS[:3])[1].tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("kind\na\n\nb\n", "kinds.csv: line 3, '', is no label; every point needs one"),
        ("kind\na\nb\n\n", "kinds.csv: line 4 is empty; every point needs a label"),
        ("a\nNA\nb\n", "kinds.csv: line 2, 'NA', is no label"),
        ("a\nnan\nb\n", "kinds.csv: line 2, 'nan', is no label"),
        ("a,1\nb,2\na,3\n", "kinds.csv: line 1 has several columns; expected one label in each line"),
        ("a\t1\nb\t2\na\t3\n", "kinds.csv: line 1 has several columns"),
        ("1.5\n2.5\n3.5\n", "kinds.csv was to be labels, and all 3 are different; expected the class of each"),
        ("kind\nof\na\nb\na\n", "kinds.csv: expected one label for each of 3 points, got 5"),
        ("a\nb\nb\na\n", "kinds.csv: expected one label for each of 3 points, got 4"),
        ("", "kinds.csv: expected one label for each of 3 points, got 0"),
    ],
)
def test_labels_that_would_be_shifted_or_no_classes_are_told(here, content, text):
    Path("kinds.csv").write_text(content)
    with pytest.raises(DataError, match=text):
        read_labels("kinds.csv", ROWS[:3])


@pytest.mark.parametrize("content", ["0\n1.5\n2\n", "0,1\n1,1\n3,0\n"])
def test_points_that_begin_at_zero_are_read(here, content):
    Path("rows.csv").write_text(content)
    assert len(read_table(Path("rows.csv"))) == 3


@pytest.mark.parametrize(
    "content",
    [
        "2019,2020\n1.5,2.5\n3.0,4.0\n",
        "400, 410\n0.1,7\n,2.5\n0.3,1e-1\nNA,2.5\n-0.4,2.5\n",
        "-1,0,+1\n1.5,2.5,3.5\n",
    ],
)
def test_whole_numbers_above_decimals_may_be_names(here, content):
    Path("rows.csv").write_text(content)
    with pytest.raises(DataError, match="may be the numbers of the columns or a point; write a line of names"):
        read_table(Path("rows.csv"))


@pytest.mark.parametrize(
    "content",
    [
        "400\n1.5\n2.5\n",
        "3,3\n1.5,2.5\n0.5,1.5\n",
        "3.0,4.0\n1.5,2.5\n0.5,1.5\n",
        "5,3\n4.9,3\n5,3.1\n6,3\n",
        "2019,2020\n1.5,2\n3.5,4\n",
        "2019,2020\n",
    ],
)
def test_whole_numbers_above_others_are_a_point(here, content):
    Path("rows.csv").write_text(content)
    assert len(read_table(Path("rows.csv"))) == content.count("\n")


@pytest.mark.parametrize("heading", ["x,y\n", "x,\n", '"x 1", y\n', "x,NA\n", ""])
def test_a_line_of_names_is_no_point(here, heading):
    Path("rows.csv").write_text(heading + "1.5,2\n0,3\n")
    np.testing.assert_array_equal(read_table(Path("rows.csv")), [[1.5, 2], [0, 3]])


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        (",x,y", r"first column has no name, as row numbers have none; .* to_csv\(index=False\)"),
        ("Unnamed: 0,x,y", "first column has no name, as row numbers have none"),
        ("Unnamed: 0,0,1", "first column has no name"),
        (
            "0,1,2",
            "'0,1,2', may be the numbers of the columns or a point; write a line of names in its place, or above",
        ),
        (",0,1", "',0,1', may be the numbers of the columns"),
        ("1,2,3", "'1,2,3', may be the numbers of the columns or a point"),
        ("x,y", "its first line has 2 names, and its rows have 3 cells; give every column a name"),
        ("1.5,N/A,2", "first line has the number '1.5' beside 'N/A'; give every column a name that is no number"),
    ],
)
def test_a_first_line_that_may_be_no_names_is_told(here, heading, text):
    Path("rows.csv").write_text(heading + "\n0,1.5,2\n1,2.5,3\n")
    with pytest.raises(DataError, match=text):
        read_table(Path("rows.csv"))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"1,2", "expected a file that ends in .csv, .npy, .npz, .mat"),
        ("a.csv", None, "a.csv cannot be read: No such file"),
        ("a.mat", None, "a.mat cannot be read: No such file"),
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"x,y\n", "it has a line of names, and no rows"),
        ("a.csv", b"1,2\n1\n", "different lengths: row 0 has 2 cells, and row 1 has 1"),
        ("a.csv", b"1,2\n3,cat\n", "row 1, column 1 .counted from 0.: expected a number, got 'cat'"),
        ("a.csv", b"\xff\xfe\x00", "a.csv cannot be read"),
        ("a.npy", b"nonsense", "a.npy cannot be read: it is no whole file of numpy's format"),
        ("a.npz", b"nonsense", "a.npz cannot be read: it is no whole file of numpy's format"),
        ("a.csv", b"1" * 200_000, "a.csv cannot be read: field larger than field limit"),
        ("a.mat", b"", "a.mat cannot be read: it is no whole file of MATLAB's format before version 7.3 .*truncated"),
        ("a.mat", b"nonsense that is long enough " * 9, "a.mat cannot be read"),
    ],
)
def test_unreadable_files_are_told(here, name, content, text):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(DataError, match=text):
        read_table(Path(name))


def test_damaged_and_misnamed_files_of_arrays_are_told(here):
    savemat("a.mat", {"rows": np.zeros((50, 2))}, do_compression=True)
    np.savez_compressed("a.npz", rows=np.zeros((50, 2)))
    np.savez("a.npy.npz", rows=ROWS)
    Path("a.npy.npz").rename("a.npy")
    for name, place, text in (("a.mat", 150, "no whole file of MATLAB's format"), ("a.npz", 60, "numpy's format")):
        content = bytearray(Path(name).read_bytes())
        content[place : place + 12] = b"\xff" * 12
        Path(name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be read: it is no whole file of .*{text[-15:]}"):
            read_table(Path(name))
    with pytest.raises(DataError, match="a.npy cannot be read: it is an archive of arrays, to be read as .npz"):
        read_table(Path("a.npy"))


def test_one_of_several_tables_has_to_be_named(here):
    np.savez("two.npz", one=ROWS, other=KINDS)
    with pytest.raises(DataError, match="has several tables; say which one with --array. .* one, other"):
        read_table(Path("two.npz"))
    with pytest.raises(DataError, match="has no table 'third'"):
        read_table(Path("two.npz"), "third")
    assert read_table(Path("two.npz"), "other").shape == (90, 1)
    np.save("rows.npy", ROWS)
    with pytest.raises(DataError, match="has one table, without a name; leave 'one' out"):
        read_table(Path("rows.npy"), "one")


# agreement of labels


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_that_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, labels = np.random.default_rng(seed).integers((3, 5), size=(40, 2)).T
    assert normalized_mutual_information(truth, labels) == pytest.approx(
        metrics.normalized_mutual_info_score(truth, labels)
    )
    assert adjusted_rand_index(truth, labels) == pytest.approx(metrics.adjusted_rand_score(truth, labels))


def test_equal_partitions_agree_wholly():
    assert normalized_mutual_information(KINDS, 7 - KINDS) == pytest.approx(1.0)
    assert adjusted_rand_index(KINDS, 7 - KINDS) == adjusted_rand_index([0, 0], [1, 1]) == 1.0
    assert normalized_mutual_information([0, 0], [1, 1]) == 1.0
    with pytest.raises(DataError, match="expected one label for each of 3 points, got 2 labels"):
        adjusted_rand_index([0, 1], [0, 1, 2])


# the command


def test_cluster_prints_and_writes_what_it_found(call, here):
    np.savez("rows.npz", rows=np.column_stack([KINDS, ROWS]))
    status, output, errors = call("cluster", "rows.npz", "--components", 3, "--labels", "first", "--out", "found")
    assert (status, errors) == (0, "")
    assert "NMI 1.0000, ARI 1.0000" in output and output.count("0.333") >= 3
    assert output.endswith("The labels and the mixture are in found.\n")
    labels = np.loadtxt("found/labels.csv", skiprows=1)
    assert adjusted_rand_index(labels, KINDS) == 1.0
    record = json.loads(Path("found/cluster.json").read_text())
    assert record["scores"]["nmi"] == pytest.approx(1.0) and record["metrics"]["agreed"] is True
    assert json.loads(Path("found/run.json").read_text())["cluster"]["components"] == 3
    assert call("sample", "found", "-n", 5, "--out", "draws.npy")[0] == 0
    assert np.load("draws.npy").shape == (5, 2)


def test_an_output_folder_is_looked_at_before_anything_is_learnt(call, here, monkeypatch):
    np.save("rows.npy", ROWS)
    Path("found").mkdir()
    Path("found/notes.txt").touch()
    monkeypatch.setattr("biglearn_sampler.data.fit_data", Mock(side_effect=KeyboardInterrupt))
    status, _, errors = call("cluster", "rows.npy", "--components", 3, "--out", "found")
    assert status == 2 and "the output folder found exists already and is not empty" in errors
    Path("empty").mkdir()
    # Those that were made for it are taken away again, and no others.
    for out in (["--out", "a/b"], ["--out", "empty"], []):
        assert call("cluster", "rows.npy", "--components", 3, *out)[0] == 130
    assert sorted(path.name for path in here.iterdir()) == ["empty", "found", "rows.npy"]


def test_what_was_found_is_printed_before_it_is_written(call, here, monkeypatch):
    np.save("rows.npy", ROWS)
    full = Mock(side_effect=RunFailed("the disk is full"))
    monkeypatch.setattr("biglearn_sampler.runs.cluster_folder.write_clustering", full)
    status, output, errors = call("cluster", "rows.npy", "--components", 3)
    assert status == 1 and errors == "error: the disk is full\n"
    assert output.count("0.333") >= 3 and "log likelihood" in output and not Path("runs").exists()


def test_cluster_compares_with_labels_that_it_has_written(call, here):
    np.save("rows.npy", ROWS)
    assert call("cluster", "rows.npy", "--components", 3)[0] == 0
    written = "runs/rows-clusters-001/labels.csv"
    status, output, _ = call("cluster", "rows.npy", "--components", 3, "--labels", written, "--out", "again")
    assert status == 0 and "NMI 1.0000, ARI 1.0000" in output


def test_cluster_is_judged_on_points_that_it_has_not_seen(call, here):
    np.savez("rows.npz", rows=np.column_stack([KINDS, ROWS]))
    arguments = ("--components", 3, "--labels", "first", "--test", 0.3, "--out", "found")
    status, output, errors = call("cluster", "rows.npz", *arguments)
    assert (status, errors) == (0, "")
    record = json.loads(Path("found/cluster.json").read_text())
    kept = held_out(90, 0.3, 0, KINDS)
    assert record["held_out"]["points"] == kept.sum() == 27
    assert "of the 27 points that were held out" in output and "of these points: NMI 1.0000" in output
    fit = fit_data(ROWS[~kept], 3)
    assert record["held_out"]["log_likelihood"] == pytest.approx(fit.log_densities(ROWS[kept]).mean())
    assert record["metrics"]["log_likelihood"] == pytest.approx(fit.log_densities(ROWS[~kept]).mean())
    assert len(np.loadtxt("found/labels.csv", skiprows=1)) == 90


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        ([0.0, np.nan], [], "row {row}, column 1 is NaN"),
        ([np.inf, 0.0], [], "row {row}, column 0 is infinity"),
        ([np.nan, np.nan], ["--missing"], "row {row} has no value at all"),
        ([0.0, 1e200], [], "values are too large to be squared in columns 1"),
        ([1e35, 0.0], [], "values in columns 0 are beyond what float32 holds"),
    ],
)
def test_points_that_are_held_out_are_looked_at_before_the_fit(call, here, monkeypatch, values, options, text):
    row, rows = int(np.flatnonzero(held_out(90, 0.2, 0))[-1]), ROWS.copy()
    rows[row] = values
    np.save("rows.npy", rows)
    learnt = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("biglearn_sampler.data.fit_data", learnt)
    status, _, errors = call("cluster", "rows.npy", "--components", 3, "--test", 0.2, *options)
    assert status == 2 and text.format(row=row) in errors
    assert not learnt.called and not Path("runs").exists()


def test_rows_are_counted_as_in_the_file_where_some_are_held_out(call, here):
    row = int(np.flatnonzero(~held_out(90, 0.2, 0))[-1])
    np.save("rows.npy", np.where(np.arange(90)[:, None] == row, np.nan, ROWS))
    status, _, errors = call("cluster", "rows.npy", "--components", 3, "--test", 0.2)
    assert status == 2 and f"row {row}, column 0 is NaN" in errors


def test_a_fit_is_written_whatever_its_figures_and_its_readers_are(call, here, monkeypatch):
    np.save("rows.npy", ROWS)
    fitted = fit_data(ROWS, 3, steps=5)
    fitted = replace(fitted, metrics={**fitted.metrics, "log_likelihood": np.nan, "starts": [-np.inf, 1.0]})
    monkeypatch.setattr("biglearn_sampler.data.fit_data", Mock(return_value=fitted))
    monkeypatch.setattr("biglearn_sampler.cli.data_commands.print_table", Mock(side_effect=BrokenPipeError))
    assert call("cluster", "rows.npy", "--components", 3, "--out", "found")[0] == 1
    metrics = json.loads(Path("found/cluster.json").read_text())["metrics"]
    assert metrics["log_likelihood"] is None and metrics["starts"] == [None, 1.0]
    assert call("sample", "found", "-n", 5, "--out", "draws.npy")[0] == 0


@pytest.mark.parametrize("empty", [[], [0], [1, 2]])
def test_clusters_are_told_as_the_table_has_them(empty):
    fitted = fit_data(ROWS, 3, steps=5)
    fitted = replace(fitted, metrics={**fitted.metrics, "empty": empty})
    found = Clustering(fitted, np.array([0, 0, 1]), {}, {})
    assert [points for _, points, _, _ in found.rows()] == ["2", "1", "0"]
    told = " ".join(found.sentences())
    assert "Clusters that are no point's own: 2." in told
    faint = {0: "as well: 0.", 1: "as well: 1."}.get(empty[0]) if empty else None
    assert faint in told if faint else "as well" not in told


def test_columns_far_from_zero_keep_their_digits_in_the_folder(call, here):
    """Seconds since 1970, of which single precision keeps two minutes."""
    np.save("rows.npy", ROWS + np.array([1.7e9, 0.0]))
    assert call("cluster", "rows.npy", "--components", 3, "--out", "found")[0::2] == (0, "")
    with np.load("found/parameters.npz") as stored:
        assert all(stored[name].dtype == float for name in ("weights", "means", "covariances", "origin"))
        means = stored["means"] + stored["origin"] - np.array([1.7e9, 0.0])
        weights, covariances = stored["weights"], stored["covariances"]
    np.testing.assert_allclose(np.sort(means[:, 0]), [-4.0, 0.0, 4.0], atol=0.2)
    for name in ("one", "two"):
        assert call("sample", "found", "-n", 4000, "--out", f"{name}.npy")[0::2] == (0, "")
    drawn = np.load("one.npy") - np.array([1.7e9, 0.0])
    np.testing.assert_array_equal(np.load("two.npy") - np.array([1.7e9, 0.0]), drawn)
    mean = weights @ means
    spread = np.einsum("k,kij->ij", weights, covariances + (means - mean)[:, :, None] * (means - mean)[:, None, :])
    np.testing.assert_allclose(drawn.mean(0), mean, atol=5 * np.sqrt(spread.max() / 4000))
    np.testing.assert_allclose(np.cov(drawn.T), spread, atol=5 * spread.max() * np.sqrt(2 / 4000))
    Path("found/parameters.npz").write_bytes(b"nonsense")
    status, _, errors = call("sample", "found", "-n", 5, "--out", "three.npy")
    assert status == 2 and "parameters.npz cannot be read" in errors and not Path("three.npy").exists()
    # A folder that was written before there was this file.
    Path("found/parameters.npz").unlink()
    assert call("sample", "found", "-n", 5, "--out", "old.npy")[0] == 0
    assert np.load("old.npy").shape == (5, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"covariances": -np.eye(2)[None]},
        {"origin": np.zeros(3)},
        {"weights": np.zeros(1)},
        {"means": np.full((1, 2), np.nan)},
    ],
)
def test_a_damaged_mixture_of_a_clustering_is_told(here, wrong):
    sound = {"weights": np.ones(1), "means": np.zeros((1, 2)), "covariances": np.eye(2)[None], "origin": np.zeros(2)}
    folder = RunFolder(here)
    folder.files.write_arrays("parameters.npz", sound)
    drawn = draws_of_clustering(folder, 7, 0)
    assert drawn is not None and drawn.shape == (7, 2)
    folder.files.write_arrays("parameters.npz", sound | wrong)
    with pytest.raises(RunFolderError, match="parameters.npz cannot be read: (expected weights|a covariance is not)"):
        draws_of_clustering(folder, 7, 0)


def interrupted_in_round(monkeypatch, number: int, ending: BaseException) -> None:
    """Let a fit be interrupted in one of its rounds, counted over all starts from 1."""
    rounds, one = [], Course._round

    def looked(self, place):
        rounds.append(place)
        if len(rounds) == number:
            raise ending
        return one(self, place)

    monkeypatch.setattr(Course, "_round", looked)


@pytest.mark.parametrize(("ending", "status"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_a_fit_that_is_interrupted_leaves_the_best_so_far(call, here, monkeypatch, ending, status):
    np.save("rows.npy", ROWS)
    interrupted_in_round(monkeypatch, 3, ending)
    ended, output, _ = call("cluster", "rows.npy", "--components", 3, "--out", "found")
    assert ended == status and "interrupted in start 1 of 1; the best joint optimum of 2 rounds, after" in output
    assert json.loads(Path("found/run.json").read_text())["status"] == "interrupted"
    record = json.loads(Path("found/cluster.json").read_text())["metrics"]
    assert record["agreed"] is False and record["rounds"] == 2
    assert len(Path("found/history.jsonl").read_text().splitlines()) == 2
    assert adjusted_rand_index(np.loadtxt("found/labels.csv", skiprows=1), KINDS) == 1.0
    assert call("sample", "found", "-n", 5, "--out", "draws.npy")[0] == 0


def test_a_fit_that_is_interrupted_in_its_first_round_leaves_nothing(call, here, monkeypatch):
    np.save("rows.npy", ROWS)
    interrupted_in_round(monkeypatch, 1, KeyboardInterrupt())
    status, output, errors = call("cluster", "rows.npy", "--components", 3)
    assert (status, output) == (130, "")
    assert "Interrupted before anything was found; nothing was kept." in errors
    assert not Path("runs").exists()


def test_an_interrupted_fit_has_the_likelihood_that_it_says(monkeypatch):
    """Weights are smoothed while tasks are drawn; those of the fit are not."""
    uneven = np.concatenate([ROWS[KINDS == 0], ROWS[KINDS == 1][:5], ROWS[KINDS == 2][:5]])
    interrupted_in_round(monkeypatch, 3, KeyboardInterrupt())
    with pytest.raises(FitInterrupted) as caught:
        fit_data(uneven, 3)
    fit = caught.value.fit
    assert fit.log_densities(uneven).mean() == pytest.approx(fit.metrics["log_likelihood"])
    np.testing.assert_allclose(np.sort(fit.parameters.weights), [0.125, 0.125, 0.75], atol=1e-3)


def test_of_several_starts_the_finished_ones_are_kept(monkeypatch):
    plain = {"scheduler": "joint", "steps": 100}
    finished = fit_data(ROWS, 3, **plain)
    interrupted_in_round(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(FitInterrupted) as caught:
        fit_data(ROWS, 3, starts=2, **plain)
    np.testing.assert_array_equal(caught.value.fit.parameters.means, finished.parameters.means)
    assert caught.value.fit.metrics["stopped"].startswith("interrupted in start 2 of 2; all 100 steps are done")


def test_rows_of_a_task_and_units_can_be_said(call, here, monkeypatch):
    np.save("rows.npy", ROWS)
    asked = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("biglearn_sampler.data.fit_data", asked)
    assert call("cluster", "rows.npy", "--components", 3, "--minibatch", 40, "--raw")[0] == 130
    assert (asked.call_args.kwargs["minibatch"], asked.call_args.kwargs["coordinates"]) == (40, "raw")
    assert call("cluster", "rows.npy", "--components", 3)[0] == 130
    assert (asked.call_args.kwargs["minibatch"], asked.call_args.kwargs["coordinates"]) == (None, "standardized")


@pytest.mark.parametrize("seed", range(3))
def test_the_same_share_of_every_class_is_held_out(seed):
    classes = np.random.default_rng(9).permutation(np.repeat(["a", "b", "c"], [500, 40, 7]))
    kept = held_out(547, 0.2, seed, classes)
    for name, expected in (("a", 100), ("b", 8), ("c", 1.4)):
        assert abs(kept[classes == name].sum() - expected) <= 1
    assert (kept == held_out(547, 0.2, seed, classes)).all()
    assert (kept != held_out(547, 0.2, seed + 10, classes)).any()


def test_every_point_is_held_out_as_often():
    often = np.mean([held_out(20, 0.25, seed, np.arange(20) % 3) for seed in range(2000)], 0)
    np.testing.assert_allclose(often, 0.25, atol=4.5 * np.sqrt(0.25 * 0.75 / 2000))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "above 0 and below 1, got 0"), (1.5, "below 1"), (1e-9, "leaves none")]
)
def test_shares_that_hold_out_nothing_are_told(share, text):
    with pytest.raises(DataError, match=text):
        held_out(10, share, 0)


def test_cluster_tells_what_is_wrong(call, here):
    np.save("rows.npy", np.where(np.arange(180).reshape(90, 2) == 7, np.nan, ROWS))
    assert call("cluster", "rows.npy", "--components", 3)[0::2] == (
        2,
        "error: row 3, column 1 is NaN; if NaN stands for a missing value, say missing=True (--missing)\n",
    )
    Path("kinds.csv").write_text("1\n2\n")
    status, _, errors = call("cluster", "rows.npy", "--components", 3, "--missing", "--labels", "kinds.csv")
    assert status == 2 and "expected one label for each of 90 points, got 2" in errors
    assert call("cluster", "none.csv", "--components", 3)[0] == 2
    assert not Path("runs").exists()
