"""Two backtests side by side on one page: curves, measures, and what differs in parameters, trades and inputs."""

from collections.abc import Mapping
from datetime import datetime

import orjson
import polars as pl

from tickline.backtest.report.evidence import Evidence, curve
from tickline.backtest.report.figures import growths
from tickline.backtest.report.markup import Html, element, table
from tickline.backtest.report.measures import MEASURES, UNKNOWN, Measure, Number, measures_of, plain
from tickline.backtest.report.page import chart, document, note, section, trade_table
from tickline.backtest.report.verdict import assumptions, verdict

FIRST, SECOND = "First", "Second"
MOST_TRADES = 20

_TRIP = ("instrument", "side", "ts_entry", "ts_exit", "nth")
_TERMS = ("size", "entry_price", "exit_price", "net")


def compare(first: Evidence, second: Evidence) -> str:
    """Two backtests as one HTML page, to be written as UTF-8. The same evidence gives the same bytes."""
    return document(
        f"{first.strategy} and {second.strategy} compared",
        [
            _verdicts(first, second),
            _equity(first, second),
            _measures(first, second),
            _differing("Parameters that differ", _parameters(first), _parameters(second)),
            _differing("Assumptions that differ", _assumed(first), _assumed(second)),
            _trades(first, second),
            _differing("Inputs that differ", _origin(first), _origin(second)),
        ],
    )


def aligned(first: Evidence, second: Evidence) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    """Both curves as growth (ts, growth), and whether they overlap: then both are 1 where the later one starts."""
    curves = [curve(one).select("ts", "equity") for one in (first, second)]
    start = max(one["ts"][0] for one in curves)
    is_shared = all(one["ts"][-1] > start for one in curves)
    ours, theirs = (
        one.select("ts", growth=pl.col("equity") / (_at(one, start) if is_shared else one["equity"][0]))
        for one in curves
    )
    return ours, theirs, is_shared


def only_in(first: Evidence, second: Evidence) -> pl.DataFrame:
    """The trades of the first that the second did not make: none of the same instrument, side, entry and exit time."""
    return _numbered(first).join(_numbered(second), on=_TRIP, how="anti", maintain_order="left").drop("nth")


def _at(of: pl.DataFrame, start: datetime) -> float:
    return float(of.filter(pl.col("ts") <= start)["equity"][-1])


def _verdicts(first: Evidence, second: Evidence) -> Html:
    told = [(name, verdict(one)) for name, one in ((FIRST, first), (SECOND, second))]
    lines = [element("p", element("strong", f"{name}: {one.headline}."), " ", one.sentences[0]) for name, one in told]
    return element("div", *lines, class_="verdict of-two")


def _equity(first: Evidence, second: Evidence) -> Html:
    ours, theirs, is_shared = aligned(first, second)
    says = (
        "Growth of 1 (UTC), both from where the later one starts."
        if is_shared
        else "Growth of 1 (UTC), each from its own start."
    )
    warning = (
        None
        if is_shared
        else note("They cover different times, so their results cannot be weighed against each other.")
    )
    return section("Equity", warning, chart(growths({FIRST: ours, SECOND: theirs}), says))


def _measures(first: Evidence, second: Evidence) -> Html:
    ours, theirs = measures_of(first), measures_of(second)
    rows = [
        (one.title, one.written(ours[one.name]), one.written(theirs[one.name]), _difference(one, ours, theirs))
        for one in MEASURES
    ]
    return section("Measures", table(("Measure", FIRST, SECOND, "Difference"), rows))


def _difference(of: Measure, ours: Mapping[str, Number], theirs: Mapping[str, Number]) -> str:
    before, after = ours[of.name], theirs[of.name]
    if before is None or after is None:
        return UNKNOWN
    change = after - before if isinstance(before, int) and isinstance(after, int) else float(after) - float(before)
    return ("+" if change > 0 else "") + of.written(change)


def _parameters(of: Evidence) -> dict[str, str]:
    """Each parameter's values, window by window where they are not all the same."""
    runs = [orjson.loads(text) for text in of.run.sort("ts_to")["parameters"]]
    found = {"strategy": of.strategy}
    for name in sorted({name for run in runs for name in run}):
        values = [str(run.get(name, UNKNOWN)) for run in runs]
        found[name] = values[0] if len(set(values)) == 1 else ", ".join(values)
    return found


def _assumed(of: Evidence) -> dict[str, str]:
    if of.assumed is None:
        return {}
    return assumptions(of.assumed, of.fees, mode=of.run["mode"][0])


def _origin(of: Evidence) -> dict[str, str]:
    return {"strategy code": " ".join(of.run["strategy_code"].unique().sort())} | dict(of.provenance)


def _differing(title: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Html:
    names = [*ours, *(name for name in theirs if name not in ours)]
    rows = [
        (name, ours.get(name, UNKNOWN), theirs.get(name, UNKNOWN))
        for name in names
        if ours.get(name) != theirs.get(name)
    ]
    return section(title, table(("What", FIRST, SECOND), rows, texts=3) if rows else note("None."))


def _trades(first: Evidence, second: Evidence) -> Html:
    both = _numbered(first).join(_numbered(second), on=_TRIP, suffix="_other")
    changed = both.filter(pl.any_horizontal(*(pl.col(name) != pl.col(f"{name}_other") for name in _TERMS))).height
    shared = f"{plain(both.height)} trades are in both, {plain(changed)} of them with another size, price or net."
    parts: list[object] = [note(shared if both.height else "No trade is in both.")]
    for name, ours, theirs in ((FIRST, first, second), (SECOND, second, first)):
        missing = only_in(ours, theirs)
        if missing.height:
            shown = missing.sort(pl.col("net").abs(), descending=True, maintain_order=True).head(MOST_TRADES)
            title = f"Only in the {name.lower()}: {plain(missing.height)}"
            parts.append(
                element("h3", title + (f", the {MOST_TRADES} largest" if missing.height > MOST_TRADES else ""))
            )
            parts.append(trade_table(shown))
    return section("Trades", *parts)


def _numbered(of: Evidence) -> pl.DataFrame:
    """Trades with their number among those alike, so that two entered and left together are two."""
    return of.trades.with_columns(nth=pl.int_range(pl.len()).over(_TRIP[:-1]))
