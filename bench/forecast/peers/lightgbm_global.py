"""One LightGBM model a level over all series, on the matrix that the bench wrote: argv[1] is the job file."""

import os

# One thread: more of them wait for each other by spinning, which no shared machine can afford.
os.environ["OMP_NUM_THREADS"] = "1"
import lightgbm as lgb
import numpy as np
from common import cpu, read_job, say, write_made

ROUNDS = 200
PARAMETERS = {
    "objective": "quantile",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 255,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}


def load(part, features):
    x = np.fromfile(part["x"], dtype=np.float32).reshape(part["rows"], features)
    return x, np.fromfile(part["y"], dtype=np.float32)


job = read_job()
matrix = job["matrix"]
F = len(matrix["features"])
levels = job["series"][0]["levels"]
train_x, train_y = load(matrix["train"], F)
valid_x, valid_y = load(matrix["valid"], F)
begun = cpu()
train = lgb.Dataset(train_x, train_y, params={"max_bin": PARAMETERS["max_bin"], "verbosity": -1}, free_raw_data=False)
valid = lgb.Dataset(valid_x, valid_y, reference=train, free_raw_data=False)
models = []
for level in levels:
    parameters = {**PARAMETERS, "alpha": level, "seed": job["seed"]}
    model = lgb.train(
        parameters, train, ROUNDS, valid_sets=[valid], callbacks=[lgb.early_stopping(20, verbose=False)]
    )
    models.append(model)
    say(f"LightGBM: level {level}: {model.best_iteration} rounds, validation {model.best_score['valid_0']['quantile']:.5f}")
shared = (cpu() - begun) / len(matrix["test"])
say(f"LightGBM: {len(train_y)} rows x {F}; {shared * len(matrix['test']):.0f} s CPU of training")
for entry in job["series"]:
    test = matrix["test"][entry["id"]]
    x = np.fromfile(test["x"], dtype=np.float32).reshape(test["rows"], F)
    last, unit = np.fromfile(test["frame"], dtype=np.float64).reshape(-1, 2).T
    begun = cpu()
    made = np.stack([model.predict(x, num_iteration=model.best_iteration) for model in models], axis=-1)
    cycle = (cpu() - begun) / len(entry["origins"])
    made = last[:, None] + unit[:, None] * np.sort(made, axis=-1)
    write_made(entry, made.reshape(len(entry["origins"]), entry["aheads"], len(levels)), [shared], cycle)
