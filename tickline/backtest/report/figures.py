"""The pictures of a report as plotly figures: plain data, None where there is nothing to draw.

Colours are named like the page's own (`--gain`), so that the page can draw them light or dark. Text from data is
escaped, because plotly takes some HTML for markup. Times are milliseconds since 1970, UTC.
"""

import html
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import orjson
import polars as pl

from tickline.backtest.report.evidence import Evidence, by_regime, closes, curve, money, windows
from tickline.backtest.report.measures import amount
from tickline.backtest.report.thinning import BUCKETS, thin, thin_bars
from tickline.kpi.performance import rolling_sharpe, sessions_per_year

Figure: TypeAlias = dict[str, Any]

MOST_TRADES = 2_000
"""More trades than this are not told apart on a screen; those that won or lost most are drawn."""

REGIME_COLOURS = 6
FEWEST_SESSIONS = 15
"""Of fewer sessions a rolling ratio says nothing."""

_ROOM_FOR_TEXT = {"l": 8, "r": 8, "t": 28, "b": 8}
_MANY_TRADES = 300
_QUARTER = 63  # sessions
_MOST_LEVELS = 16


def equity(evidence: Evidence) -> Figure:
    """The equity of all windows as one account's."""
    points = thin(curve(evidence), "equity")
    line = _line(points["ts"], points["equity"], "Equity", "--first")
    return _figure([line], showlegend=False, shapes=_beginnings(evidence))


def drawdown(evidence: Evidence) -> Figure:
    """How far equity stood below its highest so far."""
    points = thin(curve(evidence), "drawdown")
    line = _line(points["ts"], points["drawdown"], "Drawdown", "--loss") | {"fill": "tozeroy", "fillcolor": "--fall"}
    return _figure([line], height=220, showlegend=False, shapes=_beginnings(evidence), yaxis={"tickformat": ".1%"})


def trades(evidence: Evidence, bars: pl.DataFrame, instrument: str) -> Figure | None:
    """One instrument's bars, while it was tested, with the trades drawn on them; None where there are no bars."""
    own = drawn_trades(evidence).filter(pl.col("instrument") == instrument)
    times = evidence.equity["ts"]
    tested = bars.filter(pl.col("instrument") == instrument, pl.col("ts_close").is_between(times.min(), times.max()))
    shown = thin_bars(tested, pl.concat([own["ts_entry"], own["ts_exit"]]))
    if shown.is_empty():
        return None
    edge = {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    traces = [
        _line(shown["ts"], shown["high"], "High", "--price") | edge,
        _line(shown["ts"], shown["low"], "Low", "--price") | edge | {"fill": "tonexty", "fillcolor": "--range"},
        _line(shown["ts"], shown["close"], "Close", "--price"),
    ]
    won, large = pl.col("net") > 0, 12 if own.height <= _MANY_TRADES else 8
    # A position that turns is left and entered in one point: the exit is drawn upon the entry, and smaller.
    for name, rows, at, symbol, size, colour in (
        ("Long entry", pl.col("side") == "long", "entry", "triangle-up", large, "--first"),
        ("Short entry", pl.col("side") == "short", "entry", "triangle-down", large, "--second"),
        ("Exit, won", won & ~pl.col("is_open"), "exit", "circle", large // 2, "--gain"),
        ("Exit, lost", ~won & ~pl.col("is_open"), "exit", "x", large // 2, "--loss"),
        ("Still open", pl.col("is_open"), "exit", "circle-open", large, "--ink"),
    ):
        marked = own.filter(rows)
        if marked.height:
            marker = {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1, "color": "--paper"}}
            point = _line(marked[f"ts_{at}"], marked[f"{at}_price"], name, colour)
            traces.append(point | {"mode": "markers", "marker": marker})
    return _figure(traces, height=380, hovermode="closest")


def drawn_trades(evidence: Evidence) -> pl.DataFrame:
    """The trades that are drawn: all, or those that won or lost most."""
    return evidence.trades.sort(pl.col("net").abs(), descending=True, maintain_order=True).head(MOST_TRADES)


def costs(evidence: Evidence) -> Figure:
    """From what was gained before costs to what is left."""
    sums = money(evidence)
    steps = [("Gross", sums.gross), ("Fees", -sums.fees), ("Funding", -sums.charges), ("Net", sums.net)]
    bars = {
        "type": "waterfall",
        "x": [name for name, _ in steps],
        "y": [float(value) for _, value in steps],
        "measure": ["relative", "relative", "relative", "total"],
        "increasing": {"marker": {"color": "--gain"}},
        "decreasing": {"marker": {"color": "--loss"}},
        "totals": {"marker": {"color": "--first"}},
        "connector": {"line": {"color": "--faint", "width": 1}},
        "text": [amount(value) for _, value in steps],
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    return _figure([bars], height=280, showlegend=False, xaxis={"type": "category"}, margin=_ROOM_FOR_TEXT)


def rolling(evidence: Evidence) -> tuple[Figure, int] | None:
    """The Sharpe ratio of the last so many sessions at each session, and how many those are."""
    daily = closes(curve(evidence)).slice(1)
    if daily.height < FEWEST_SESSIONS:
        return None
    samples = min(_QUARTER, daily.height // 3)
    ratio = rolling_sharpe(
        pl.col("equity"), samples=samples, periods_per_year=sessions_per_year(daily["session_date"])
    ).alias("ratio")
    points = thin(daily.select("ts", ratio), "ratio")
    if points["ratio"].drop_nulls().is_empty():
        return None
    return _figure([_line(points["ts"], points["ratio"], "Sharpe", "--first")], height=240, showlegend=False), samples


def fan(paths: pl.DataFrame) -> Figure:
    """What else could have happened: a band for each pair of quantiles around the middle of the paths."""
    step, lowest, low, middle, high, highest = (paths[name] for name in paths.columns)
    inner, outer = {"line": {"width": 0}, "hoverinfo": "skip"}, {"fill": "tonexty"}
    traces = [
        _line(step, lowest, "5 % of paths end below", "--first") | inner | {"showlegend": False},
        _line(step, highest, "9 of 10 paths", "--first") | inner | outer | {"fillcolor": "--wide"},
        _line(step, low, "25 %", "--first") | inner | {"showlegend": False},
        _line(step, high, "Half of the paths", "--first") | inner | outer | {"fillcolor": "--narrow"},
        _line(step, middle, "Middle", "--first"),
    ]
    return _figure(traces, xaxis={"type": "linear", "title": {"text": "step"}}, yaxis={"tickformat": ".3~g"})


def regimes(evidence: Evidence, labels: pl.DataFrame) -> Figure | None:
    """Equity over a strip of the labels in force, which are looked up at so many times; None where none ever was."""
    points = thin(curve(evidence), "equity")
    names = {name: nth % REGIME_COLOURS for nth, name in enumerate(by_regime(evidence, labels)["label"])}
    if not names:
        return None
    ends = points["ts"].dt.epoch("ms")
    edges = np.linspace(ends[0], ends[-1], BUCKETS + 1).round().astype(np.int64)
    spans = (
        pl.DataFrame({"at": edges[:-1]})
        .with_columns(pl.from_epoch("at", "ms").dt.cast_time_unit("ns").dt.replace_time_zone("UTC").alias("ts"))
        .join_asof(labels.sort("ts").select("ts", "label"), on="ts", strategy="backward")
        .group_by(pl.col("label").rle_id().alias("span"), maintain_order=True)
        .agg(pl.col("at").first(), pl.col("label").first())
        .with_columns(width=pl.col("at").shift(-1, fill_value=int(edges[-1])) - pl.col("at"))
        .drop_nulls("label")
    )
    strips = [_strip(spans.filter(pl.col("label") == name), name, colour) for name, colour in names.items()]
    line = _line(points["ts"], points["equity"], "Equity", "--ink") | {"showlegend": False}
    strip = {
        "domain": [0, 0.1],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "range": [0, 1],
        "fixedrange": True,
    }
    return _figure(
        [line, *strips],
        xaxis={"anchor": "y2"},
        yaxis={"domain": [0.14, 1]},
        yaxis2=strip,
        barmode="overlay",
        hovermode="closest",
    )


def growths(curves: Mapping[str, pl.DataFrame]) -> Figure:
    """Two curves (ts, growth) by name on one axis."""
    thinned = {name: thin(one, "growth") for name, one in curves.items()}
    lines = [
        _line(points["ts"], points["growth"], name, colour)
        for (name, points), colour in zip(thinned.items(), ("--first", "--second"), strict=True)
    ]
    return _figure(lines, height=320)


def surface(folds: pl.DataFrame) -> Figure | None:
    """The objective over the two parameters that took most values, or over the only one that varied.

    Trials of all windows are pooled; where several share a cell it has their median. Many numbers share a cell with
    their neighbours. None where nothing varied.
    """
    done = folds.filter(pl.col("failure").is_null() & pl.col("objective").is_finite())
    tried = [orjson.loads(text) for text in done["parameters"]]
    names = _varied(tried)
    if not names:
        return None
    merits, chosen = done["objective"].to_numpy(), done["chosen"].fill_null(value=False).to_numpy()
    axes = [_levels([one.get(name) for one in tried]) for name in names]
    if len(axes) == 1:
        return _slice(names[0], axes[0], merits, chosen)
    (across, columns), (up, rows) = axes
    cells: list[list[float | None]] = [[None] * len(across) for _ in up]
    for row, column in sorted(set(zip(rows, columns, strict=True))):
        cells[row][column] = float(np.median(merits[(np.array(rows) == row) & (np.array(columns) == column)]))
    heat = {
        "type": "heatmap",
        "x": across,
        "y": up,
        "z": cells,
        "colorscale": "Viridis",
        "colorbar": {"thickness": 10, "title": {"text": "objective", "side": "right"}},
        "hovertemplate": "%{x}, %{y}: %{z:.4g}<extra></extra>",
    }
    picked = sorted({(across[columns[nth]], up[rows[nth]]) for nth in np.flatnonzero(chosen)})
    cross = _chosen([one for one, _ in picked], [one for _, one in picked])
    return _figure(
        [heat, *([cross] if picked else [])],
        xaxis={"type": "category", "title": {"text": html.escape(names[0])}},
        yaxis={"type": "category", "title": {"text": html.escape(names[1])}},
        hovermode="closest",
    )


def _slice(
    name: str, axis: tuple[list[str], list[int]], merits: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any]
) -> Figure:
    labels, places = axis
    at = [labels[place] for place in places]
    dots = _marks(at, [float(merit) for merit in merits], "Trial", {"size": 7, "color": "--first"})
    best = np.flatnonzero(chosen)
    cross = _chosen([at[nth] for nth in best], [float(merits[nth]) for nth in best])
    order = {"type": "category", "categoryorder": "array", "categoryarray": labels}
    return _figure(
        [dots, *([cross] if best.size else [])],
        xaxis={**order, "title": {"text": html.escape(name)}},
        yaxis={"title": {"text": "objective"}},
        hovermode="closest",
    )


def _varied(tried: list[dict[str, Any]]) -> list[str]:
    """The names, at most two, of the parameters with the most values, more than one."""
    counts = {
        name: len({str(one.get(name)) for one in tried}) for name in sorted({name for one in tried for name in one})
    }
    return sorted((name for name in counts if counts[name] > 1), key=lambda name: -counts[name])[:2]


def _levels(values: list[Any]) -> tuple[list[str], list[int]]:
    """The labels of an axis in order, and the place of each value on it. Many numbers share a level with neighbours."""
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ordered = sorted(set(values)) if is_number else sorted({str(value) for value in values})
    places = {value: nth for nth, value in enumerate(ordered)}
    at = [places[value if is_number else str(value)] for value in values]
    if not is_number or len(ordered) <= _MOST_LEVELS:
        return [html.escape(f"{value:.10g}" if is_number else value) for value in ordered], at
    groups = np.array_split(np.array(ordered, dtype=np.float64), _MOST_LEVELS)
    group_of = np.repeat(np.arange(_MOST_LEVELS), [group.size for group in groups])
    return [f"{group[0]:.6g} to {group[-1]:.6g}" for group in groups], [int(group_of[place]) for place in at]


def _line(x: pl.Series, y: pl.Series, name: str, colour: str) -> Figure:
    at = x.dt.epoch("ms") if x.dtype.is_temporal() else x
    values = [None if value is None or math.isnan(value) else value for value in y.cast(pl.Float64).round_sig_figs(8)]
    line = {"color": colour, "width": 1.5}
    return {"type": "scatter", "mode": "lines", "name": name, "x": at.to_list(), "y": values, "line": line}


def _marks(x: list[Any], y: list[Any], name: str, marker: Mapping[str, Any]) -> Figure:
    return {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": y, "marker": dict(marker)}


def _chosen(x: list[Any], y: list[Any]) -> Figure:
    return _marks(
        x, y, "Chosen", {"symbol": "x", "size": 11, "color": "--second", "line": {"width": 1, "color": "--paper"}}
    )


def _beginnings(evidence: Evidence) -> list[Figure]:
    """A dotted line where each window but the first begins."""
    line = {"color": "--muted", "width": 1, "dash": "dot"}
    begins = windows(evidence)["first"].dt.epoch("ms").to_list()[1:]
    return [{"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line} for at in begins]


def _strip(spans: pl.DataFrame, label: str, colour: int) -> Figure:
    return {
        "type": "bar",
        "name": html.escape(label),
        "x": spans["at"].to_list(),
        "width": spans["width"].to_list(),
        "offset": 0,
        "y": [1] * spans.height,
        "yaxis": "y2",
        "marker": {"color": f"--regime-{colour + 1}", "line": {"width": 0}},
        "hoverinfo": "name",
    }


def _figure(
    traces: list[Figure],
    *,
    height: int = 300,
    xaxis: Mapping[str, Any] | None = None,
    yaxis: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """Traces in the layout all figures share."""
    rules = {"gridcolor": "--faint", "linecolor": "--faint", "zerolinecolor": "--faint", "automargin": True}
    return {
        "data": traces,
        "layout": {
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": "--ink", "size": 12},
            "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--faint", "font": {"color": "--ink"}},
            "hovermode": "x unified",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
            "xaxis": {"type": "date", **rules, **(xaxis or {})},
            "yaxis": {**rules, **(yaxis or {})},
            **layout,
        },
    }
