"""One self-contained HTML page: what a backtest did, in words, pictures and tables, on a phone or a desk, offline.

Its scripts are named by hash in the page's own Content-Security-Policy: nothing else in it can run or load anything.
"""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import orjson
import polars as pl

from tickline.backtest.report import figures
from tickline.backtest.report.evidence import Evidence, by_regime, windows
from tickline.backtest.report.figures import Figure
from tickline.backtest.report.markup import Html, data, element, joined, table
from tickline.backtest.report.measures import MEASURES, amount, instant, measures_of, percent, plain
from tickline.backtest.report.verdict import assumptions, verdict

FEW = 5
"""How many of the best and of the worst trades are listed."""

_STYLE, _SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))


def report(evidence: Evidence) -> str:
    """A backtest as one HTML page, to be written as UTF-8. The same evidence gives the same bytes.

    Sections of what was not made are not there. Long series are drawn as fine as a screen shows: see `thinning`.
    """
    found = verdict(evidence)
    return document(
        f"Backtest of {evidence.strategy}",
        [
            element(
                "div",
                element("strong", found.headline),
                *(element("p", sentence) for sentence in found.sentences),
                class_=f"verdict {found.tone}",
            ),
            _assumed(evidence),
            _measures(evidence),
            _equity(evidence),
            section("Drawdown", chart(figures.drawdown(evidence), "How far equity stood below its highest so far.")),
            _trades_on_bars(evidence),
            section("Costs", chart(figures.costs(evidence), "From the gain before costs to what is left.")),
            _rolling(evidence),
            _fan(evidence),
            _stress(evidence),
            _surface(evidence),
            _regimes(evidence),
            _windows(evidence),
            _extremes(evidence),
            _refused(evidence),
            _failed(evidence),
            _provenance(evidence),
        ],
    )


def document(title: str, sections: Iterable[Html | None]) -> str:
    """A whole page of sections; None is left out."""
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), _SCRIPT]
    allowed = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
    )
    head = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<link rel="icon" href="data:,">'),
        element("title", title),
        element("style", Html(_STYLE)),
    ]
    body = [
        element("h1", title),
        *sections,
        element("noscript", element("p", "The pictures need JavaScript; words and tables do not.", class_="note")),
        *(element("script", Html(script)) for script in scripts),
    ]
    page = element("html", element("head", *head), element("body", *body), lang="en")
    return f"<!doctype html>\n{page}\n"


def section(title: str, *content: object) -> Html:
    """A part of the page with a heading."""
    return element("section", element("h2", title), *content)


def chart(figure: Figure, says: str, *, before: Html | None = None) -> Html:
    """A figure with a sentence that says what it shows."""
    drawn = element("div", class_="chart", role="img", aria_label=says)
    return element("figure", before, drawn, data(figure), element("figcaption", says))


def note(text: str) -> Html:
    """A sentence in small print."""
    return element("p", text, class_="note")


def chosen(parameters: str) -> str:
    """A run's parameters, given as JSON, in a line."""
    return ", ".join(f"{name} = {value}" for name, value in orjson.loads(parameters).items())


def _assumed(evidence: Evidence) -> Html | None:
    if evidence.assumed is None:
        return None
    told = assumptions(evidence.assumed, evidence.fees, mode=evidence.run["mode"][0])
    return section("What was assumed", table(("What", "How"), list(told.items()), texts=2))


def _measures(evidence: Evidence) -> Html:
    found = measures_of(evidence)
    return section(
        "Measures", table(("Measure", "Value"), [(one.title, one.written(found[one.name])) for one in MEASURES])
    )


def _equity(evidence: Evidence) -> Html:
    button = element("button", "Log scale", type="button", aria_pressed="false")
    several = evidence.run.height > 1
    says = "Equity over time (UTC)" + (
        ": each window compounded on those before, from the capital of the first." if several else "."
    )
    has_log = evidence.equity["equity"].gt(0).all()
    return section("Equity", chart(figures.equity(evidence), says, before=button if has_log else None))


def _trades_on_bars(evidence: Evidence) -> Html | None:
    if evidence.bars is None:
        return None
    says = "Close and the range from low to high (UTC); bars too fine for a screen are merged, those of trades are not."
    drawn: list[object] = []
    for instrument in evidence.bars["instrument"].unique().sort():
        figure = figures.trades(evidence, evidence.bars, instrument)
        if figure is not None:
            drawn += [element("h3", instrument), chart(figure, says)]
    left = evidence.trades.height - figures.MOST_TRADES
    if left > 0:
        drawn.append(note(f"{left:,} trades that won or lost less than these are not drawn."))
    return section("Trades on bars", *drawn) if drawn else None


def _rolling(evidence: Evidence) -> Html | None:
    found = figures.rolling(evidence)
    if found is None:
        return None
    figure, samples = found
    return section(
        "Rolling Sharpe ratio", chart(figure, f"Annualised, of the last {samples} sessions at each session.")
    )


def _fan(evidence: Evidence) -> Html | None:
    if evidence.fan is None:
        return None
    says = "Equity over its start, had the same kind of returns come in another order or mix."
    return section("What else could have happened", chart(figures.fan(evidence.fan), says))


def _stress(evidence: Evidence) -> Html | None:
    if evidence.stress is None:
        return None
    rows = [
        (
            row["scenario"],
            percent(row["total_return"]),
            percent(row["max_drawdown"]),
            plain(row["sharpe"]),
            plain(row["trades"]),
        )
        for row in evidence.stress.iter_rows(named=True)
    ]
    says = "With the strategy's own parameters over all these sessions, not with those chosen window by window."
    return section("Under stress", note(says), table(("Scenario", "Return", "Drawdown", "Sharpe", "Trades"), rows))


def _surface(evidence: Evidence) -> Html | None:
    figure = figures.surface(evidence.folds)
    if figure is None:
        return None
    says = "The objective of the trials by the parameters that varied most, all windows together; crosses were chosen."
    return section("Parameters tried", chart(figure, says))


def _regimes(evidence: Evidence) -> Html | None:
    if evidence.regimes is None:
        return None
    figure = figures.regimes(evidence, evidence.regimes)
    if figure is None:
        return None
    rows = [
        (joined([_swatch(nth), label]), percent(share), percent(change))
        for nth, (label, share, change) in enumerate(by_regime(evidence, evidence.regimes).iter_rows())
    ]
    says = "Equity (UTC) over the regime in force below it."
    return section("Regimes", chart(figure, says), table(("Regime", "Of the time", "Return"), rows))


def _swatch(nth: int) -> Html:
    return element("span", class_="swatch", style=f"background: var(--regime-{nth % figures.REGIME_COLOURS + 1})")


def _windows(evidence: Evidence) -> Html:
    header = ("Tested (UTC)", "Parameters", "Return", "Drawdown", "Sharpe", "Trades")
    rows = [
        (
            f"{instant(row['first'])} to {instant(row['last'])}",
            chosen(row["parameters"]),
            percent(row["total_return"]),
            percent(row["max_drawdown"]),
            plain(row["sharpe"]),
            plain(row["trades"]),
        )
        for row in windows(evidence).iter_rows(named=True)
    ]
    return section("Windows", table(header, rows, texts=2))


def _extremes(evidence: Evidence) -> Html | None:
    if evidence.trades.is_empty():
        return None
    ordered = evidence.trades.sort("net", maintain_order=True)
    few = min(FEW, ordered.height)
    parts: list[object] = [element("h3", "Worst"), trade_table(ordered.head(few))]
    if ordered.height > few:
        parts += [element("h3", "Best"), trade_table(ordered.tail(min(few, ordered.height - few)).reverse())]
    return section("Worst and best trades", *parts)


def trade_table(trades: pl.DataFrame) -> Html:
    """Trades as rows."""
    header = ("Instrument", "Side", "Entry (UTC)", "Exit (UTC)", "Size", "In at", "Out at", "Fees", "Net")
    rows = [
        (
            row["instrument"],
            row["side"],
            instant(row["ts_entry"]),
            instant(row["ts_exit"]) + (" (open)" if row["is_open"] else ""),
            *(f"{row[name]:,.8g}" for name in ("size", "entry_price", "exit_price")),
            amount(row["fees"]),
            amount(row["net"]),
        )
        for row in trades.iter_rows(named=True)
    ]
    return table(header, rows, texts=4)


def _refused(evidence: Evidence) -> Html | None:
    counts = (
        evidence.orders.drop_nulls("reason").group_by("reason").len().sort("len", "reason", descending=[True, False])
    )
    if counts.is_empty():
        return None
    rows = [(reason.replace("_", " "), plain(count)) for reason, count in counts.iter_rows()]
    return section("Orders refused", table(("Reason", "Orders"), rows))


def _failed(evidence: Evidence) -> Html | None:
    counts = (
        evidence.folds.drop_nulls("failure").group_by("failure").len().sort("len", "failure", descending=[True, False])
    )
    if counts.is_empty():
        return None
    rows = [(failure, plain(count)) for failure, count in counts.iter_rows()]
    return section("Trials that failed", table(("What happened", "Trials"), rows))


def _provenance(evidence: Evidence) -> Html:
    codes = evidence.run["strategy_code"].unique().sort()
    rows = [("strategy code", joined((element("code", code) for code in codes), " "))]
    rows += [(name, element("code", value)) for name, value in evidence.provenance.items()]
    return section("Where this came from", table(("What", "Which"), rows, texts=2))


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
