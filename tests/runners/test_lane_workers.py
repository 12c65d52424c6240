"""Lane workers as processes: what they find comes back, and whatever one of them does, the cycle goes on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from decimal import Decimal

import numpy as np
import psutil
import pytest

from runners.lane_workers import LaneWorkers, run_cycle
from runners.shared_arrays import attached, share
from tickline.errors import LaneError
from tickline.lanes.model import Lane
from tickline.lanes.scheduler_spec import LaneTimes, Restarts, SchedulerSettings
from tickline.lanes.scheduling import Ending, Standing, scheduler

LANES_CODE = '''
    import os, signal, sys, time
    from decimal import Decimal
    from tickline.lanes.messages import Found, found_to
    from tickline.lanes.model import Basket, Kind, Lane, Opportunity, Style
    from tickline.markets.model import Basis


    def found(lane, cost):
        basket = Basket("b", lane, Kind.INTRA, (), 1, "family", "event", Basis.METADATA)
        cost = Decimal(str(cost))
        return found_to(Found((
            Opportunity(f"{lane}-{cost}", basket, Style.TAKER, 7, 0, (), cost, Decimal(0), 1 - cost, Decimal(5)),
        )))


    def honest(lane, structure):
        scale = structure["scale"][0]
        return lambda quotes, ts_ns: found(lane, scale * quotes["ask"].sum())


    def told(lane, structure):
        """Does what the quotes say."""
        def look(quotes, ts_ns):
            print("a lane may print")
            match quotes["ask"][0]:
                case -1.0:
                    raise ValueError("no such price")
                case -2.0:
                    os.kill(os.getpid(), signal.SIGKILL)
                case -3.0:
                    return b"not json"
                case -4.0:
                    while True:
                        pass
                case -5.0:
                    time.sleep(0.4)
                case -6.0:
                    garbage = b"\\x10" + bytes(11) + b"not what was agreed"
                    for descriptor in range(3, 1_000):
                        try:
                            os.write(descriptor, garbage)
                        except OSError:
                            pass
            return found(lane, quotes["ask"].sum())
        return look


    def never_ready(lane, structure):
        time.sleep(60)
'''
SETTINGS = SchedulerSettings(
    times=LaneTimes(every_ms=1, budget_ms=2_000, grace_ms=100),
    of_lane={Lane.BUCKET: LaneTimes(every_ms=1, budget_ms=250, grace_ms=600)},
    restarts=Restarts(first_ms=1, most_ms=1, start_ms=8_000),
)
STRUCTURE = {"scale": np.array([2.0])}
GOOD = {"ask": np.array([0.125, 0.25])}


class Running:
    """Two lanes, cycle after cycle."""

    def __init__(self, workers):
        self.workers, self.state = workers, scheduler((Lane.INTRA, Lane.BUCKET))
        self.load(STRUCTURE, GOOD)

    def load(self, structure, quotes):
        self.workers.load(structure, quotes)
        self.quotes = quotes

    def cycle(self, quotes=None):
        quotes = self.quotes if quotes is None else quotes
        self.state, result = run_cycle(self.state, self.workers, quotes, ts_ns=7, settings=SETTINGS)
        return {one.lane: one for one in result.outcomes}, result

    def when_both_stand(self, quotes=None):
        """Cycles until both workers are idle; what the next cycle comes to."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if all(one.standing is Standing.IDLE for one in self.workers.standings().values()):
                time.sleep(0.002)  # past whatever it is held back by
                return self.cycle(quotes)
            self.cycle()
            time.sleep(0.01)
        raise AssertionError(f"not ready: {self.workers.standings()}")

    def pid(self, lane):
        return self.workers.pids()[lane]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where workers find the code of these lanes."""
    folder = tmp_path_factory.mktemp("lanes")
    (folder / "lanes_of_test.py").write_text(textwrap.dedent(LANES_CODE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield folder


@pytest.fixture(scope="module")
def workers(folder):
    with LaneWorkers({Lane.INTRA: "lanes_of_test:honest", Lane.BUCKET: "lanes_of_test:told"}) as workers:
        yield workers


@pytest.fixture
def running(workers):
    return Running(workers)


def told(first):
    return {"ask": np.array([first, 0.25])}


def test_what_lanes_find_comes_back_in_the_order_of_lanes(running):
    _, result = running.when_both_stand()
    assert [one.basket.lane for one in result.opportunities] == [Lane.INTRA, Lane.BUCKET]
    assert [one.cost for one in result.opportunities] == [Decimal("0.75"), Decimal("0.375")]


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (-2.0, "killed by SIGKILL"),
        pytest.param(-1.0, "ValueError: no such price", marks=pytest.mark.slow),
        pytest.param(-3.0, "its answer cannot be read", marks=pytest.mark.slow),
        pytest.param(-6.0, "what it says cannot be read", marks=pytest.mark.slow),
    ],
)
def test_a_lane_that_crashes_costs_the_cycle_only_itself(running, first, reason):
    outcomes, result = running.when_both_stand(told(first))
    assert outcomes[Lane.BUCKET].ending is Ending.CRASHED
    assert outcomes[Lane.BUCKET].reason.startswith(reason)
    assert outcomes[Lane.INTRA].ending is Ending.OK
    assert [one.cost for one in result.opportunities] == [2 * (Decimal(str(first)) + Decimal("0.25"))]
    outcomes, _ = running.when_both_stand()
    assert outcomes[Lane.BUCKET].ending is Ending.OK


def test_a_late_answer_is_dropped_and_its_worker_goes_on(running):
    running.when_both_stand()
    pid = running.pid(Lane.BUCKET)
    outcomes, _ = running.when_both_stand(told(-5.0))
    assert outcomes[Lane.BUCKET].ending is Ending.LATE
    outcomes, _ = running.cycle()
    assert outcomes[Lane.BUCKET].ending is Ending.HELD
    outcomes, _ = running.when_both_stand()
    assert outcomes[Lane.BUCKET].found.opportunities[0].cost == Decimal("0.375")
    assert running.pid(Lane.BUCKET) == pid


def test_a_hung_worker_is_waited_for_once_and_is_killed_and_replaced(running):
    running.when_both_stand()
    pid = running.pid(Lane.BUCKET)
    started = time.monotonic()
    outcomes, _ = running.when_both_stand(told(-4.0))
    assert outcomes[Lane.BUCKET].ending is Ending.LATE
    assert 0.25 <= time.monotonic() - started < 2  # its own budget, not that of the other lane
    seen = []
    while Ending.HUNG not in seen:
        outcomes, _ = running.cycle()
        assert outcomes[Lane.INTRA].ending is Ending.OK
        seen.append(outcomes[Lane.BUCKET].ending)
        time.sleep(0.01)
    assert set(seen[:-1]) <= {Ending.HELD}
    outcomes, _ = running.when_both_stand()
    assert outcomes[Lane.BUCKET].ending is Ending.OK
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_new_structure_reaches_running_workers_and_quotes_of_another_layout_are_refused(running):
    running.when_both_stand()
    pids = running.workers.pids()
    with pytest.raises(LaneError, match="load them anew"):
        running.cycle({"ask": np.zeros(3)})
    running.load({"scale": np.array([4.0])}, {"ask": np.array([0.0625, 0.0625, 0.0])})
    _, result = running.when_both_stand()
    assert [one.cost for one in result.opportunities] == [Decimal("0.5"), Decimal("0.125")]
    assert running.workers.pids() == pids


ORPHAN = """
import os, signal, sys, time
import numpy as np
from runners.lane_workers import LaneWorkers, run_cycle
from tickline.lanes.model import Lane
from tickline.lanes.scheduler_spec import SchedulerSettings
from tickline.lanes.scheduling import scheduler

workers = LaneWorkers({Lane.INTRA: "lanes_of_test:never_ready"})
workers.load({"scale": np.zeros(1)}, {"ask": np.zeros(1)})
run_cycle(scheduler([Lane.INTRA]), workers, {"ask": np.zeros(1)}, ts_ns=0, settings=SchedulerSettings())
time.sleep(0.5)
print(workers.pids()[Lane.INTRA], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_no_worker_is_left_when_the_pool_is_left():
    with LaneWorkers({Lane.BUCKET: "lanes_of_test:never_ready"}) as workers:
        workers.load(STRUCTURE, GOOD)
        run_cycle(scheduler([Lane.BUCKET]), workers, GOOD, ts_ns=0, settings=SETTINGS)
        pid = workers.pids()[Lane.BUCKET]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_no_worker_outlives_its_parent_however_that_ends():
    ended = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"worker {pid} lives on"
        time.sleep(0.02)


def test_shared_arrays_are_read_as_written_and_cannot_be_written_by_a_reader():
    arrays = {
        "prices": np.array([[0.5, np.nan], [0.25, 1.0]]),
        "text": np.frombuffer(b"abc", np.uint8),
        "none": np.zeros(0),
    }
    shared = share(arrays)
    read = attached(os.dup(shared.fd), shared.layout)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    with pytest.raises(ValueError, match="read-only"):
        read["prices"][0, 0] = 1.0
    shared.write(arrays | {"prices": np.ones((2, 2))})
    assert read["prices"].sum() == 4.0
    with pytest.raises(LaneError, match="Python objects"):
        share({"names": np.array(["a", None], dtype=object)})
