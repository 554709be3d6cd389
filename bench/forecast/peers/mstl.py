"""statsforecast MSTL with a day and a week season, ETS on the trend: argv[1] is the job file."""

from common import classical, days_of, read_job
from statsforecast.models import MSTL, AutoETS

# Two whole weeks hold each season of a week twice; decomposed again at every origin.
WINDOW_DAYS = 15


def jumps(season):
    """LOESS at some points of its window, interpolated between, as in R's stl(): a hundred times as fast, and the
    components differ by some hundredths (of a day's season on a trace of 4,320 bins)."""
    return {"seasonal_jump": 2, "trend_jump": max(1, season), "low_pass_jump": max(1, season // 10)}


def seasons(entry, past):
    day, week = days_of(entry, 1), days_of(entry, 7)
    return [day, week] if len(past) >= 2 * week + 1 else [day]


def fit(entry, past):
    window = past[-days_of(entry, WINDOW_DAYS) :]
    lengths = seasons(entry, window)
    model = MSTL(season_length=lengths, trend_forecaster=AutoETS(model="ZZN"), stl_kwargs=jumps(lengths[0]))
    return model.fit(window)


def forward(entry, model, past):
    return model.forward(past[-days_of(entry, WINDOW_DAYS) :], h=entry["aheads"])["mean"]


classical("MSTL", read_job(), fit, forward)
