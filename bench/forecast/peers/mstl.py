"""statsforecast MSTL with a day and a week season, ETS on the trend: argv[1] is the job file."""

from common import classical, days_of, read_job
from statsforecast.models import MSTL, AutoETS

# Two whole weeks hold each season of a week twice; decomposed again at every origin.
WINDOW_DAYS = 21


def seasons(entry, past):
    day, week = days_of(entry, 1), days_of(entry, 7)
    return [day, week] if len(past) >= 2 * week + 1 else [day]


def fit(entry, past):
    window = past[-days_of(entry, WINDOW_DAYS) :]
    model = MSTL(season_length=seasons(entry, window), trend_forecaster=AutoETS(model="ZZN"))
    return model.fit(window)


def forward(entry, model, past):
    return model.forward(past[-days_of(entry, WINDOW_DAYS) :], h=entry["aheads"])["mean"]


classical("MSTL", read_job(), fit, forward)
