"""What the Python peers share: the job file, a series with its holes filled, split conformal quantiles, the way out."""

import json
import os
import resource
import sys
import time
import warnings

# One thread each: processor seconds are then comparable with ours, and two cores serve two processes.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

warnings.filterwarnings("ignore")

DAY = 86_400


def read_job():
    with open(sys.argv[1], encoding="utf8") as file:
        return json.load(file)


def read_values(entry):
    return np.fromfile(entry["values"], dtype=np.float64)


def filled(values, season):
    """Holes closed by the value a day before, else by the last known one: these libraries take none."""
    values = values.copy()
    last = np.nan
    for index in range(len(values)):
        if np.isnan(values[index]):
            before = values[index - season] if index >= season else np.nan
            values[index] = before if not np.isnan(before) else last
        last = values[index]
    known = values[~np.isnan(values)]
    return np.where(np.isnan(values), known[0] if len(known) else 0.0, values)


def write_made(entry, quantiles, fits, cycle):
    """Quantiles [origin][ahead][level]; the cost beside them is written last and says that they are whole."""
    quantiles = np.maximum.accumulate(np.maximum(np.asarray(quantiles, dtype=np.float64), 0.0), axis=-1)
    expected = (len(entry["origins"]), entry["aheads"], len(entry["levels"]))
    assert quantiles.shape == expected, (quantiles.shape, expected)
    assert np.isfinite(quantiles).all(), entry["id"]
    out = entry["out"]
    os.makedirs(os.path.dirname(out), exist_ok=True)
    quantiles.tofile(out + ".f64.part")
    os.replace(out + ".f64.part", out + ".f64")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with open(out + ".json.part", "w", encoding="utf8") as file:
        json.dump({"fits": fits, "cycle": cycle, "memory": memory}, file)
    os.replace(out + ".json.part", out + ".json")


def calibration_origins(bins, aheads, fitted, chosen, count):
    """Evenly spaced in the part that is kept for choosing, or before it where a forecast from there reaches too far."""
    last = int(chosen * bins) - 1 - aheads
    first = min(int(fitted * bins), last - 2 * aheads)
    first = max(first, int(0.3 * bins))
    return sorted({int(round(x)) for x in np.linspace(first, max(first, last), count)})


def conformal(points, truths, test_origins, calibration, aheads, levels):
    """Split conformal: signed residuals of calibration forecasts, pooled over neighbouring steps ahead; a residual joins
    as soon as its bin is known at the origin, so that earlier test origins calibrate later ones.

    points: {origin: [ahead]} for calibration and test origins; truths: the series, NaN where missing.
    """
    quantiles = np.empty((len(test_origins), aheads, len(levels)))
    # Neighbours share residuals: narrow pools near, where errors grow fast, wide ones further out.
    edges = [0, 1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 72, 96, 144, 192, 240, 288, 10**9]
    pools = [(a, min(b, aheads)) for a, b in zip(edges, edges[1:]) if a < aheads]
    for row, origin in enumerate(test_origins):
        known = [o for o in list(calibration) + list(test_origins) if o < origin]
        for a, b in pools:
            found = []
            for o in known:
                end = min(b, origin - o)
                if end > a:
                    found.append(truths[o + 1 + a : o + 1 + end] - points[o][a:end])
            residuals = np.concatenate(found) if found else np.zeros(1)
            residuals = residuals[~np.isnan(residuals)]
            if len(residuals) == 0:
                residuals = np.zeros(1)
            n = len(residuals)
            # The finite-sample correction of conformal prediction, on the outer side of either tail.
            corrected = [min(1.0, p * (n + 1) / n) if p > 0.5 else max(0.0, p - (1 - p) / n) for p in levels]
            offsets = np.quantile(residuals, corrected)
            quantiles[row, a:b, :] = points[origin][a:b, None] + offsets[None, :]
    return quantiles


def say(text):
    print(text, file=sys.stderr, flush=True)


def cpu():
    return time.process_time()


def days_of(entry, days):
    return max(1, round(days * DAY / entry["step"]))


CALIBRATED = 12


def classical(name, job, fit, forward):
    """A classical model of each series by itself: fitted on its window before the part that calibrates it, carried on to
    each origin with the parameters kept (forward), then given split conformal quantiles.

    fit(entry, past) -> state; forward(entry, state, past) -> [ahead] points.
    """
    for done, entry in enumerate(job["series"]):
        raw = read_values(entry)
        values = filled(raw, days_of(entry, 1))
        aheads = entry["aheads"]
        calibration = calibration_origins(len(raw), aheads, job["fitted"], job["chosen"], CALIBRATED)
        begun = cpu()
        state = fit(entry, values[: calibration[0] + 1])
        fits = [cpu() - begun]
        points = {}
        begun = cpu()
        for origin in calibration + entry["origins"]:
            point = np.asarray(forward(entry, state, values[: origin + 1]), dtype=np.float64)
            # A model that blows up is told nothing of the future by it: the last value stands in.
            point = np.where(np.isfinite(point), point, values[origin])
            points[origin] = np.maximum(point, 0.0)
        cycle = (cpu() - begun) / len(points)
        made = conformal(points, raw, entry["origins"], calibration, aheads, entry["levels"])
        write_made(entry, made, fits, cycle)
        say(f"{name}: {done + 1} of {len(job['series'])} ({entry['id']}): fit {fits[0]:.1f} s, forward {cycle:.2f} s CPU")
