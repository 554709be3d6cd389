"""statsforecast AutoARIMA: argv[1] is the job file.

A seasonal ARIMA of period 288 is out of reach (its state has hundreds of dimensions: hours a series), so the day comes in
as Fourier terms, the usual way with long seasons (dynamic harmonic regression; Hyndman & Athanasopoulos, FPP3, 12.1).
"""

import numpy as np
from common import classical, days_of, read_job
from statsforecast.models import AutoARIMA

WINDOW_DAYS = 5
HARMONICS = 4


def fourier(entry, first, count):
    phase = 2 * np.pi * (np.arange(first, first + count) % days_of(entry, 1)) / days_of(entry, 1)
    return np.column_stack([part(k * phase) for k in range(1, HARMONICS + 1) for part in (np.sin, np.cos)])


def windowed(entry, past):
    window = past[-days_of(entry, WINDOW_DAYS) :]
    # Around the window's own mean: an intercept that is carried on for weeks would pull to a level long left.
    level = window.mean()
    return level, window - level, fourier(entry, len(past) - len(window), len(window))


def fit(entry, past):
    _, window, terms = windowed(entry, past)
    # What never changes has no ARIMA; a grain of noise leaves its forecast what it is.
    if np.ptp(window) < 1e-12:
        window = window + 1e-9 * np.random.default_rng(1).standard_normal(len(window))
    model = AutoARIMA(season_length=1, max_p=2, max_q=2, nmodels=20, approximation=True, stepwise=True)
    return model.fit(window, X=terms)


def forward(entry, model, past):
    level, window, terms = windowed(entry, past)
    ahead = fourier(entry, len(past), entry["aheads"])
    return level + model.forward(window, h=entry["aheads"], X=terms, X_future=ahead)["mean"]


classical("AutoARIMA", read_job(), fit, forward)
