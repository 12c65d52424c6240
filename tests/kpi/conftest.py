"""A run of a set of lanes over three days, as a lanes stage would leave it."""

import pytest

from runners.sample_lake import DAYS
from runners.sample_lanes import lane_days
from tickline.kpi.lanes import Run, run_of


@pytest.fixture(scope="session")
def run() -> Run:
    return run_of(lane_days(DAYS, name="desk"))
