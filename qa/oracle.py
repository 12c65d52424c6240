"""Bars from real ticks against the bars their vendors made of the same ticks: raw -> firewall -> bars.

EURUSD on two venues and XRP/ETH must agree in every minute. For SPY the vendor's reading of the sale conditions is not
published, so the goals are the shares of regular minutes in which one figure is equal.
"""

import os
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from tickline.bars.rollup import rollup
from tickline.lake.schema import NS
from tickline.lake.schemas import Feed
from tickline.pipeline.raw import read_day
from tickline.reference.instruments import instruments_frame
from tickline.reference.loading import VARIABLES
from tickline.reference.sessions import venue_sessions, windows
from tickline.sources.archives import blocks
from tickline.sources.opening import open_source
from tickline.ticks.firewall import judge
from tickline.universe import Universe, load_universe

CONFIG = Path(__file__).parent.parent / "config" / "real"
OHLC = ["open", "high", "low", "close"]
QUOTES = [f"{side}_{price}" for side in ("bid", "ask") for price in OHLC]
SPY_GOALS = {"volume": 0.994, "high": 0.95, "low": 0.92, "open": 0.88, "close": 0.88}
PRICE_SCALE = 10_000  # of LEAN's equity files
FOREVER = 2**62
RECORDED = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"])


@dataclass(frozen=True)
class Rolled:
    """The minute bars of one feed of a venue, and how many of its raw rows the firewall refused."""

    bars: pl.DataFrame
    raw: int
    refused: int

    def counts(self) -> dict[str, int]:
        """The rows, for the figure."""
        return {"raw": self.raw, "refused": self.refused, "bars": self.bars.height}


def run(*, small: bool = False, data: Path = RECORDED) -> dict[str, object]:
    """Compare; `small` takes a day or two of each venue. `data` is the folder of recorded market data."""
    if not data.is_dir():
        print(f"no recorded market data at {data}; name its folder with --data")
        return {"ok": False, "reason": f"no folder {data}"}
    os.environ["TICKLINE_REAL_DATA"] = str(data)
    universe = load_universe(CONFIG)
    figures = {venue: eurusd(universe, venue, data, small=small) for venue in ("fxcm", "oanda")}
    figures["xrpeth"] = xrpeth(universe, data)
    figures["spy"] = spy(universe, data, small=small)
    return {"ok": all(figure["ok"] for figure in figures.values())} | figures


def eurusd(universe: Universe, venue: str, data: Path, *, small: bool) -> dict[str, object]:
    """Every minute's bid and ask open, high, low and close, as a share of the minutes either side has."""
    days = _days(universe, venue, *((date(2014, 5, 5), date(2014, 5, 6)) if small else ()))
    rolled = minutes(universe, venue, Feed.QUOTES, days)
    zone = ZoneInfo(universe.venues[venue].feeds[Feed.QUOTES].settings["time_zone"])
    names = ["ms", *QUOTES[:4], "bid_size", *QUOTES[4:], "ask_size"]
    theirs = _lean_minutes(data / "lean" / "forex" / venue / "minute" / "eurusd", "quote", names, zone, days)
    both = rolled.bars.join(theirs, on="ts_open", how="full", coalesce=True, suffix="_theirs")
    shares = {name: _share(both, name) for name in QUOTES}
    print(f"EURUSD {venue:<6} {both.height} minutes, equal: {_shown(shares)}")
    return {"ok": both.height > 0 and min(shares.values()) == 1, "equal": shares} | rolled.counts()


def xrpeth(universe: Universe, data: Path) -> dict[str, object]:
    """Every minute's open, high, low, close and volume; their minutes without a trade are absent, as ours are."""
    rolled = minutes(universe, "binance_history", Feed.TRADES, _days(universe, "binance_history"))
    theirs = pl.read_ipc(data / "freqtrade" / "XRP_ETH-1m.feather").with_columns(ts_open=pl.col("date").cast(NS))
    covered = theirs.filter(
        pl.col("ts_open").is_between(pl.lit(rolled.bars["ts_open"].min()), rolled.bars["ts_open"].max())
    )
    both = rolled.bars.join(covered, on="ts_open", how="full", coalesce=True, suffix="_theirs")
    shares = {name: _share(both, name) for name in (*OHLC, "volume")}
    print(f"XRPETH        {both.height} minutes, equal: {_shown(shares)}")
    return {"ok": both.height > 0 and min(shares.values()) == 1, "equal": shares} | rolled.counts()


def spy(universe: Universe, data: Path, *, small: bool) -> dict[str, object]:
    """The regular minutes against the vendor's, and the regular sessions against its daily bars."""
    days = _days(universe, "us_equities", *((date(2013, 10, 8), date(2013, 10, 8)) if small else ()))
    rolled = minutes(universe, "us_equities", Feed.TRADES, days)
    zone = ZoneInfo(universe.venues["us_equities"].feeds[Feed.TRADES].settings["time_zone"])
    equity = data / "lean" / "equity"
    theirs = _lean_minutes(equity / "minute" / "spy", "trade", ["ms", *OHLC, "volume"], zone, days)
    theirs = _scaled(theirs)
    figure: dict[str, object] = dict(rolled.counts())
    for segment in ("pre", "regular", "post"):
        ours = rolled.bars.filter(pl.col("segment") == segment)
        both = ours.join(theirs, on="ts_open", how="left", suffix="_theirs")
        shares = {name: _share(both, name) for name in SPY_GOALS}
        print(f"SPY {segment:<9} {both.height} minutes, equal: {_shown(shares)}")
        figure[segment] = shares
        if segment == "regular":
            expected = len(days) * 390
            reached = all(shares[name] >= goal for name, goal in SPY_GOALS.items())
            figure |= {"ok": reached and both.height == expected, "goals": SPY_GOALS}
    figure["days"] = _spy_days(rolled.bars.filter(pl.col("segment") == "regular"), equity / "daily" / "spy.zip")
    return figure


def minutes(universe: Universe, name: str, feed: Feed, days: list[date]) -> Rolled:
    """Minute bars of some UTC days by the library: read, judged, rolled up."""
    venue = universe.venues[name]
    source = open_source(venue.feeds[feed], venue, feed, calendars=universe.calendars)
    sessions = venue_sessions(venue, universe.calendars, days[0] - timedelta(days=3), days[-1] + timedelta(days=3))
    conditions = universe.conditions[venue.conditions] if venue.conditions else None
    clean, raw, refused = [], 0, 0
    for day in days:
        rows = read_day(source, source.objects(day), feed, day)
        judged = judge(rows, feed, venue, day=day, sessions=sessions, rules=universe.rules, conditions=conditions)
        clean.append(judged.clean)
        raw, refused = raw + rows.height, refused + judged.quarantine.height
        found = ", ".join(f"{rule} {count}" for rule, count in judged.counts.items() if count) or "nothing refused"
        print(f"{name} {feed} {day}: {rows.height} rows, {found}", flush=True)
    ticks = pl.concat(clean)
    trades, quotes = (ticks, None) if feed is Feed.TRADES else (None, ticks)
    bars = rollup(trades, quotes, windows(sessions, "1m"), instruments_frame(venue), watermark=FOREVER)
    return Rolled(bars, raw, refused)


def _days(universe: Universe, venue: str, first: date | None = None, last: date | None = None) -> list[date]:
    declared = universe.venues[venue]
    assert declared.end is not None, f"{venue} is a recording: it has an end"
    start, end = first or declared.start, last or declared.end
    return [start + timedelta(days=after) for after in range((end - start).days + 1)]


def _lean_minutes(folder: Path, kind: str, names: list[str], zone: ZoneInfo, days: list[date]) -> pl.DataFrame:
    """The vendor's minute bars that open on these UTC days, prices as written."""
    frames = []
    for path in sorted(folder.glob(f"*_{kind}.zip")):
        local = datetime.combine(datetime.strptime(path.name[:8], "%Y%m%d").date(), time())  # noqa: DTZ007
        bars = pl.read_csv(b"".join(blocks(path)), has_header=False, new_columns=names, infer_schema_length=None)
        opens = pl.lit(local) + pl.duration(milliseconds=pl.col("ms"))
        frames.append(
            bars.with_columns(ts_open=opens.dt.replace_time_zone(str(zone)).dt.convert_time_zone("UTC").cast(NS))
        )
    return pl.concat(frames, how="vertical_relaxed").filter(pl.col("ts_open").dt.date().is_in(days))


def _spy_days(minutes: pl.DataFrame, path: Path) -> list[dict[str, object]]:
    """Volume, high and low of each regular session beside those of the vendor's daily file."""
    daily = pl.read_csv(b"".join(blocks(path)), has_header=False, new_columns=["at", *OHLC, "volume"])
    theirs = _scaled(daily).with_columns(session_date=pl.col("at").str.slice(0, 8).str.to_date("%Y%m%d"))
    ours = minutes.group_by("session_date").agg(pl.col("volume").sum(), pl.col("high").max(), pl.col("low").min())
    both = (
        ours.join(theirs, on="session_date", suffix="_theirs").select(*ours.columns, "^.*_theirs$").sort("session_date")
    )
    for row in both.iter_rows(named=True):
        print(
            f"SPY {row['session_date']}: volume {row['volume']:.0f} ({row['volume'] / row['volume_theirs'] - 1:+.3%}), "
            f"high {row['high']} ({row['high_theirs']}), low {row['low']} ({row['low_theirs']})"
        )
    return both.to_dicts()


def _scaled(bars: pl.DataFrame) -> pl.DataFrame:
    """Prices as decimals, rounded as Python rounds a division."""
    return bars.with_columns(
        pl.Series(name, [price / PRICE_SCALE for price in bars[name].to_list()], dtype=pl.Float64) for name in OHLC
    )


def _share(both: pl.DataFrame, name: str) -> float:
    """The share of bars in which we and the vendor say the same."""
    return float(
        (both[name].cast(pl.Float64) == both[f"{name}_theirs"].cast(pl.Float64)).fill_null(value=False).mean() or 0
    )


def _shown(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
