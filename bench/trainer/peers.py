"""Other libraries on one fold, in an environment of their own: `python peers.py PEER FOLDER KIND SECONDS`.

The folder has train.parquet and test.parquet. One line of JSON is printed: seconds, and the deciding metric
on the test rows. A tenth of the training rows is kept aside for early stopping, as the libraries advise.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

LABEL = "label"
SEED = 7
PATIENCE_ROUNDS = 60
# scikit-learn takes no more categories of one column; others become numbers.
MAX_CATEGORIES = 255

Frame = pd.DataFrame
Model = Any


def scikit_learn(kind: str, train: Frame, labels: Any, _stop_at: float) -> Model:
    """Gradient boosting over histograms, early stopping, otherwise as it comes."""
    maker = HistGradientBoostingRegressor if kind == "regression" else HistGradientBoostingClassifier
    model = maker(categorical_features="from_dtype", max_iter=1000, early_stopping=True, random_state=SEED)
    return model.fit(train, labels)


def lightgbm(kind: str, train: Frame, labels: Any, _stop_at: float) -> Model:
    """As it comes, with a low learning rate."""
    return _lightgbm(kind, train, labels, {"learning_rate": 0.03})[0]


def lightgbm_search(kind: str, train: Frame, labels: Any, stop_at: float) -> Model:
    """Random search for as long as there is time; the best on the rows kept aside."""
    random = np.random.default_rng(SEED)
    best = _lightgbm(kind, train, labels, {"learning_rate": 0.03})
    longest = 0.0
    while time.monotonic() + longest < stop_at:
        began = time.monotonic()
        params = {
            "learning_rate": float(np.exp(random.uniform(np.log(0.01), np.log(0.2)))),
            "num_leaves": int(np.exp(random.uniform(np.log(4), np.log(256)))),
            "min_child_samples": int(np.exp(random.uniform(np.log(2), np.log(100)))),
            "colsample_bytree": float(random.uniform(0.3, 1)),
            "subsample": float(random.uniform(0.5, 1)),
            "subsample_freq": 1,
            "reg_lambda": float(np.exp(random.uniform(np.log(1e-3), np.log(30)))),
        }
        best = min(best, _lightgbm(kind, train, labels, params), key=lambda found: found[1])
        longest = max(longest, time.monotonic() - began)
    return best[0]


def catboost(kind: str, train: Frame, labels: Any, _stop_at: float) -> Model:
    """As it comes, with early stopping."""
    import catboost as library  # noqa: PLC0415

    maker = library.CatBoostRegressor if kind == "regression" else library.CatBoostClassifier
    learn, check, learn_labels, check_labels = _divided(kind, train, labels)
    model = maker(
        random_seed=SEED,
        od_wait=PATIENCE_ROUNDS,
        verbose=0,
        allow_writing_files=False,
        cat_features=[*train.select_dtypes("category")],
    )
    return model.fit(learn, learn_labels, eval_set=(check, check_labels))


PEERS: Mapping[str, Callable[[str, Frame, Any, float], Model]] = {
    "scikit-learn": scikit_learn,
    "lightgbm": lightgbm,
    "lightgbm-search": lightgbm_search,
    "catboost": catboost,
}


def main() -> None:
    """Train one peer and score it."""
    peer, folder, kind, budget_seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    began = time.monotonic()
    train, test = _features(folder, are_few=peer == "scikit-learn")
    model = PEERS[peer](kind, train.drop(columns=LABEL), train[LABEL].to_numpy(), began + budget_seconds)
    score = _score(kind, model, test.drop(columns=LABEL), test[LABEL].to_numpy())
    print(json.dumps({"seconds": time.monotonic() - began, "score": score}))


def _features(folder: Path, *, are_few: bool) -> tuple[Frame, Frame]:
    sides = [pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "test")]
    both = pd.concat(sides, ignore_index=True)
    for name in both.columns.drop(LABEL):
        if not pd.api.types.is_numeric_dtype(both[name]):
            both[name] = both[name].astype(object).fillna("").astype("category")
            if are_few and len(both[name].cat.categories) > MAX_CATEGORIES:
                both[name] = both[name].cat.codes
    return both.iloc[: len(sides[0])], both.iloc[len(sides[0]) :]


def _lightgbm(kind: str, train: Frame, labels: Any, params: Mapping[str, Any]) -> tuple[Model, float]:
    import lightgbm as library  # noqa: PLC0415

    maker = library.LGBMRegressor if kind == "regression" else library.LGBMClassifier
    learn, check, learn_labels, check_labels = _divided(kind, train, labels)
    model = maker(n_estimators=3000, random_state=SEED, verbose=-1, **params)
    model.fit(
        learn,
        learn_labels,
        eval_set=[(check, check_labels)],
        callbacks=[library.early_stopping(PATIENCE_ROUNDS, verbose=False)],
    )
    (losses,) = model.best_score_.values()
    return model, next(iter(losses.values()))


def _divided(kind: str, train: Frame, labels: Any) -> Any:
    strata = None if kind == "regression" else labels
    return train_test_split(train, labels, test_size=0.1, random_state=SEED, stratify=strata)


def _score(kind: str, model: Model, test: Frame, labels: Any) -> float:
    if kind == "regression":
        return float(root_mean_squared_error(labels, model.predict(test)))
    answers = model.predict_proba(test)
    if kind == "binary":
        return float(roc_auc_score(labels, answers[:, 1]))
    return float(log_loss(labels, answers, labels=model.classes_))


if __name__ == "__main__":
    main()
