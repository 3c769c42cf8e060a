"""Boosted regression trees for goals, and the same trees as the attributes of one ONNX node."""

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from glm import Array
from settings import Settings


@dataclass(frozen=True)
class Trees:
    """LightGBM's Poisson boosters of home and away goals."""

    home: lightgbm.Booster
    away: lightgbm.Booster

    def log_rates(self, features: NDArray[np.floating]) -> Array:
        """Return the log of expected goals (home, away) as (n, 2): LightGBM's raw scores."""
        boosters = (self.home, self.away)
        return np.column_stack([booster.predict(features, raw_score=True, num_threads=1) for booster in boosters])


def fit_trees(features: NDArray[np.float32], goals: Array, settings: Settings) -> Trees:
    """Boost trees for `goals` (n, 2) on `features` (n, F) float32, on one thread: the same trees each time."""
    parameters = {
        "objective": "poisson",
        "num_leaves": settings.tree_leaves,
        "learning_rate": settings.tree_learning_rate,
        "min_data_in_leaf": settings.tree_min_leaf,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,  # else timing decides
        "num_threads": 1,
        "verbosity": -1,
    }
    home, away = (
        lightgbm.train(parameters, lightgbm.Dataset(features, goals[:, side]), settings.tree_count) for side in (0, 1)
    )
    return Trees(home, away)


def tree_ensemble(trees: Trees, weight: float) -> dict[str, Any]:
    """Return the attributes of a TreeEnsembleRegressor that gives `weight` times the log rates, (n, 2).

    Thresholds are doubles, and float32 features are compared with them; each is rounded down to float32,
    which leaves every such comparison as it was.
    """
    rows: list[dict[str, Any]] = []
    leaves: list[tuple[int, int, int, float]] = []
    tree_id = 0
    for target, booster in enumerate((trees.home, trees.away)):
        for tree in booster.dump_model()["tree_info"]:
            _flatten(tree["tree_structure"], tree_id, target, rows, leaves)
            tree_id += 1
    attributes = {f"nodes_{name}": [row[name] for row in rows] for name in rows[0]}
    for place, name in enumerate(("treeids", "nodeids", "ids")):
        attributes[f"target_{name}"] = [leaf[place] for leaf in leaves]
    return attributes | {"target_weights": [weight * leaf[3] for leaf in leaves], "n_targets": 2}


def _flatten(
    root: dict[str, Any],
    tree_id: int,
    target: int,
    rows: list[dict[str, Any]],
    leaves: list[tuple[int, int, int, float]],
) -> None:
    """Append the nodes of one tree to `rows` and its leaves to `leaves`, numbered from the root, depth first."""
    first = len(rows)

    def visit(node: dict[str, Any]) -> int:
        number = len(rows) - first
        row = {
            "treeids": tree_id,
            "nodeids": number,
            "featureids": 0,
            "modes": "LEAF",
            "values": 0.0,
            "truenodeids": 0,
            "falsenodeids": 0,
            "missing_value_tracks_true": 0,
        }
        rows.append(row)
        if "split_feature" not in node:
            leaves.append((tree_id, number, target, node["leaf_value"]))
            return number
        if node["decision_type"] != "<=":
            raise ValueError(f"tree {tree_id}: expected splits by <=, got {node['decision_type']!r}")
        row |= {
            "featureids": node["split_feature"],
            "modes": "BRANCH_LEQ",
            "values": _round_down(node["threshold"]),
            "missing_value_tracks_true": int(_missing_goes_left(node)),
        }
        row["truenodeids"], row["falsenodeids"] = visit(node["left_child"]), visit(node["right_child"])
        return number

    visit(root)


def _round_down(threshold: float) -> float:
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))


def _missing_goes_left(node: dict[str, Any]) -> bool:
    """Tell where LightGBM sends NaN: the way it learnt, or, if it met none in training, where zero goes."""
    return node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
