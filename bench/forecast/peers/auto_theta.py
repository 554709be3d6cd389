"""statsforecast AutoTheta with a day's season: argv[1] is the job file."""

from common import classical, days_of, read_job
from statsforecast.models import AutoTheta

WINDOW_DAYS = 14


def fit(entry, past):
    model = AutoTheta(season_length=days_of(entry, 1), decomposition_type="additive")
    return model.fit(past[-days_of(entry, WINDOW_DAYS) :])


def forward(entry, model, past):
    return model.forward(past[-days_of(entry, WINDOW_DAYS) :], h=entry["aheads"])["mean"]


classical("AutoTheta", read_job(), fit, forward)
