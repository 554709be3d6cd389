"""fracast as it comes, without training: argv[1] is the job file.

It states 0.1 … 0.9 for 48 steps and rolls on block by block; the levels above are carried on from its own 0.5 and 0.9 by
the normal distribution's shape.
"""

import numpy as np
import torch
from common import cpu, read_job, read_values, say, write_made
from fracast import FracastModel
from scipy.stats import norm

torch.set_num_threads(1)
torch.manual_seed(1)
model = FracastModel.from_pretrained(weights="fp32")
job = read_job()
for done, entry in enumerate(job["series"]):
    values = read_values(entry)
    levels = entry["levels"]
    contexts = np.full((len(entry["origins"]), model.context_length), np.nan, dtype=np.float32)
    for row, origin in enumerate(entry["origins"]):
        past = values[max(0, origin + 1 - model.context_length) : origin + 1]
        contexts[row, model.context_length - len(past) :] = past
        if np.isfinite(contexts[row]).sum() < 8:
            known = values[: origin + 1]
            contexts[row, -8:] = known[~np.isnan(known)][-8:]
    begun = cpu()
    made = model.forecast_batch(contexts, horizon=entry["aheads"])
    cycle = (cpu() - begun) / len(entry["origins"])
    own = np.sort(made, axis=-1)
    middle, high = own[..., model.quantiles.index(0.5)], own[..., model.quantiles.index(0.9)]
    quantiles = np.stack(
        [
            own[..., model.quantiles.index(level)]
            if level in model.quantiles
            else middle + (high - middle) * norm.ppf(level) / norm.ppf(0.9)
            for level in levels
        ],
        axis=-1,
    )
    write_made(entry, quantiles, [], cycle)
    say(f"fracast: {done + 1} of {len(job['series'])} ({entry['id']}): {cycle:.3f} s CPU a forecast")
