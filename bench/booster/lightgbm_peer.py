"""LightGBM, one model a level, on the matrix of a job file: argv[1]. Prints one line of JSON."""

import json
import sys
import time

import lightgbm
import numpy

job = json.load(open(sys.argv[1]))


def read(part):
    y = numpy.fromfile(part["y"], numpy.float32)
    return numpy.ascontiguousarray(numpy.fromfile(part["x"], numpy.float32).reshape(job["columns"], len(y)).T), y


x, y = read(job["train"])
tx, ty = read(job["test"])
losses, cpu, wall = [], [], []
for level in job["levels"]:
    started, clock = time.process_time(), time.perf_counter()
    # 255 bins with the one of missing values, as ours has 254 and that one.
    data = lightgbm.Dataset(x, y, params={"max_bin": 255, "verbose": -1, "num_threads": job["threads"]})
    model = lightgbm.train(
        {
            "objective": "quantile",
            "alpha": level,
            "num_leaves": job["leaves"],
            "min_data_in_leaf": job["minLeaf"],
            "learning_rate": job["learningRate"],
            "lambda_l2": job["l2"],
            "max_bin": 255,
            "num_threads": job["threads"],
            "deterministic": True,
            "seed": 1,
            "verbose": -1,
        },
        data,
        job["rounds"],
    )
    cpu.append(time.process_time() - started)
    wall.append(time.perf_counter() - clock)
    off = ty - model.predict(tx)
    losses.append(float(numpy.mean(numpy.where(off > 0, level * off, (level - 1) * off))))
print(json.dumps({"losses": losses, "cpu": cpu, "wall": wall, "version": lightgbm.__version__}))
