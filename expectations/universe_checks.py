"""What the partitions of everything a configuration declares are judged by."""

from expectations.allocation_checks import weighed_by
from expectations.backtest_checks import gated_by
from expectations.checks import judged_by
from expectations.identification_checks import identified_by
from expectations.lane_checks import found_by
from expectations.mapping_checks import mapped_by
from expectations.market_checks import listed_by
from expectations.signal_checks import told_by
from tickline.universe import Universe


def suites_of(universe: Universe) -> dict[tuple[str, str], str]:
    """By the name of what is declared and dataset, the hash of what each of its partitions is judged by now."""
    return (
        judged_by(universe.venues.values())
        | listed_by(universe.venues.values())
        | mapped_by(universe.mappings.values())
        | found_by(universe.lanes.values())
        | identified_by({name: spec.kpi.identification for name, spec in universe.lanes.items()})
        | told_by(universe.signals.values())
        | gated_by(universe.strategies.values())
        | weighed_by(universe.portfolios.values())
    )
