"""What BigLearn-EM finds in real data, beside plain EM, `GaussianMixture` of scikit-learn and k-means.

    python benchmarks/data_clustering.py FOLDER                       all data sets, seeds 0 to 4
    python benchmarks/data_clustering.py FOLDER --only glass vehicle  these only

FOLDER holds `glass.mat`, `Vehicle.mat`, `letter.mat`, `pendigits_train.mat` and `pendigits_test.mat`, each with an
array `DataSet` whose first column is the class, as the repository of BigLearn-EM has them. A seed gives the split
(80/20, stratified; the official one of pendigits for all seeds) and the start. Columns are scaled to [0, 1] on the
training part; methods see the training part without labels, and NMI and ARI are those of the test part.

All methods get raw columns, and the floor of the covariances is 0.01 in these units, that of the authors' notebook for
pendigits, with first means spread as wide as the data, but for the rows "as it comes": these have the defaults of their
library for all, so ours standardise the columns and have a floor of their own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import RESULTS, add_row, commit, latest_rows, write_table
from scipy.io import loadmat
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

import biglearn_sampler as bl
from biglearn_sampler.catalogue import Catalogue

COMPONENTS = {"glass": 6, "vehicle": 4, "letter": 26, "pendigits": 12}
FILES = {"glass": "glass.mat", "vehicle": "Vehicle.mat", "letter": "letter.mat"}
FLOOR = 0.01
ROWS = RESULTS / "data_clustering.jsonl"

Split = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Training points, test points, and the classes of the test points."""

Method = Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, float]]
"""Labels of the test points and their mean log likelihood, from training points, test points, K and seed."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(COMPONENTS), choices=list(COMPONENTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    asked, version = parser.parse_args(), commit()
    for name in asked.only:
        for seed in range(asked.seeds):
            data = split(asked.folder, name, seed)
            for method in asked.methods:
                row = {"data": name, "seed": seed, "method": method, "commit": version}
                add_row(ROWS, row | measured(METHODS[method], data, COMPONENTS[name], seed))
    write_results()


def split(folder: Path, name: str, seed: int) -> Split:
    """Training and test part, scaled by the training part."""
    if name == "pendigits":
        train, test = table(folder / "pendigits_train.mat"), table(folder / "pendigits_test.mat")
    else:
        whole = table(folder / FILES[name])
        halves: Any = train_test_split(whole, test_size=0.2, stratify=whole[:, 0], random_state=seed)
        train, test = halves
    low, high = train[:, 1:].min(0), train[:, 1:].max(0)
    return (train[:, 1:] - low) / (high - low), (test[:, 1:] - low) / (high - low), test[:, 0]


def table(path: Path) -> np.ndarray:
    """The array of a file, with the class in the first column."""
    return np.asarray(loadmat(path)["DataSet"], float)


def ours(**options: Any) -> Method:
    """A fit of this package."""
    catalogue = Catalogue()

    def fitted(train: np.ndarray, test: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, float]:
        variance = train.var(0).mean()
        start = float(train.std(0).mean() / np.sqrt(variance))
        chosen = {"floor": FLOOR / variance, "coordinates": "raw", "start": start, **options}
        fit = bl.fit_data(train, components, seed=seed, catalogue=catalogue, **chosen)
        return fit.labels(test), float(fit.log_densities(test).mean())

    return fitted


def as_it_comes(**options: Any) -> Method:
    """A fit of this package with its defaults."""
    catalogue = Catalogue()

    def fitted(train: np.ndarray, test: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, float]:
        fit = bl.fit_data(train, components, seed=seed, catalogue=catalogue, **options)
        return fit.labels(test), float(fit.log_densities(test).mean())

    return fitted


def gaussians(starts: Any, begin: str, floor: float = FLOOR) -> Method:
    """`GaussianMixture` of scikit-learn."""

    def fitted(train: np.ndarray, test: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, float]:
        model = GaussianMixture(
            components, n_init=starts, init_params=begin, reg_covar=floor, max_iter=500, random_state=seed
        )
        model.fit(train)
        return np.asarray(model.predict(test)), float(model.score(test))

    return fitted


def k_means(train: np.ndarray, test: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, float]:
    """k-means of scikit-learn, the best of ten starts."""
    starts: Any = 10  # the annotation of scikit-learn knows "auto" only
    model: Any = KMeans(components, n_init=starts, random_state=seed).fit(train)
    return model.predict(test), float("nan")


METHODS: dict[str, Method] = {
    "BigLearn-EM": ours(),
    "BigLearn-EM x3": ours(starts=3),
    "Joint-EM": ours(scheduler="joint"),
    "Joint-EM x10": ours(scheduler="joint", starts=10),
    "GaussianMixture kmeans x1": gaussians(1, "kmeans"),
    "GaussianMixture kmeans x10": gaussians(10, "kmeans"),
    "GaussianMixture random x1": gaussians(1, "random_from_data"),
    "GaussianMixture random x10": gaussians(10, "random_from_data"),
    "BigLearn-EM, as it comes": as_it_comes(),
    "Joint-EM, as it comes": as_it_comes(scheduler="joint"),
    "GaussianMixture, as it comes": gaussians(1, "kmeans", 1e-6),
    "k-means x10": k_means,
}


def measured(method: Method, data: Split, components: int, seed: int) -> dict[str, Any]:
    """One fit."""
    train, test, truth = data
    began, processor = time.perf_counter(), time.process_time()
    labels, log_likelihood = method(train, test, components, seed)
    return {
        "nmi": float(normalized_mutual_info_score(truth, labels)),
        "ari": float(adjusted_rand_score(truth, labels)),
        "log_likelihood": None if np.isnan(log_likelihood) else log_likelihood,
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - processor,
    }


def write_results() -> None:
    """The table of all rows that were kept."""
    rows = latest_rows(ROWS, "data", "seed", "method")
    lines = [
        line(name, method, chosen)
        for name in COMPONENTS
        for method in METHODS
        if (chosen := [row for row in rows if row["data"] == name and row["method"] == method])
    ]
    write_table(
        "data_clustering",
        "Clusters of real data",
        "python benchmarks/data_clustering.py FOLDER",
        ("data", "method", "seeds", "NMI", "sd", "ARI", "sd", "test log likelihood", "processor s"),
        lines,
        "Means over seeds on the test part; sd is that over seeds. Processor seconds are those of all threads, with "
        "compilation. The floor is the published one for pendigits; log likelihoods under another floor cannot be "
        f"compared. Measured at commits {', '.join(sorted({row['commit'] for row in rows}))}.",
    )


def line(name: str, method: str, rows: list[dict[str, Any]]) -> list[str]:
    """One row of the table."""
    figures = {
        key: np.array([row[key] for row in rows], float) for key in ("nmi", "ari", "log_likelihood", "processor")
    }
    spread = {key: f"{values.std(ddof=1):.3f}" if len(rows) > 1 else "-" for key, values in figures.items()}
    likelihood = figures["log_likelihood"].mean()
    return [
        f"{name}, K = {COMPONENTS[name]}",
        method,
        str(len(rows)),
        f"{figures['nmi'].mean():.3f}",
        spread["nmi"],
        f"{figures['ari'].mean():.3f}",
        spread["ari"],
        "-" if np.isnan(likelihood) else f"{likelihood:.3f}",
        f"{figures['processor'].mean():.1f}",
    ]


if __name__ == "__main__":
    main()
