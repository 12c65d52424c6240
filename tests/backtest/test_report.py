"""The report of a backtest: true, the same every time, and nothing that data says becomes markup."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.report import figures
from tickline.backtest.report.compare import compare
from tickline.backtest.report.evidence import Evidence, by_regime, curve, growth, money, windows
from tickline.backtest.report.markup import data, element
from tickline.backtest.report.measures import measures_of
from tickline.backtest.report.page import report
from tickline.backtest.report.preview import picture, preview
from tickline.backtest.report.thinning import thin, thin_bars
from tickline.backtest.report.verdict import Tone, assumptions, verdict
from tickline.errors import BacktestError
from tickline.lake.schema import NS
from tickline.lake.schemas import BACKTESTS
from tickline.reference.models import FeeSchedule

HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp;=cmd|' /C calc'!A0"""
START = datetime(2025, 1, 1, tzinfo=UTC)
examples = settings(max_examples=60, deadline=None)


class Page(HTMLParser):
    """What a browser would see in a page, read by the standard library."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words = [], [], []
        self.scripts: dict[str, list[str]] = {"": [], "application/json": []}
        self.headings: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *one) for one in attributes]
        self._within = tag
        if tag == "script":
            self._kind = dict(attributes).get("type", "")
            self.scripts[self._kind].append("")

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[self._kind][-1] += data
        else:
            self.words.append(data)
            if self._within == "h2":
                self.headings.append(data)

    @property
    def figures(self):
        return [json.loads(text) for text in self.scripts["application/json"]]


@pytest.fixture(scope="module")
def evidence(simulate) -> Evidence:
    return simulate()


@pytest.fixture(scope="module")
def page(evidence) -> Page:
    return Page(report(evidence))


@pytest.fixture(scope="module")
def hostile(simulate) -> Evidence:
    return simulate(windows=1, instrument=HOSTILE, strategy=HOSTILE, parameter=HOSTILE, text=HOSTILE)


def two_windows(simulate, first, second) -> Evidence:
    """Two windows of two samples each that begin with 100 and come to `first` and `second`. The second warmed up while
    the first was still running."""
    whole = simulate(windows=1, sessions=5)
    at = [START + timedelta(days=nth) for nth in range(4)]
    run = pl.concat([whole.run, whole.run]).with_columns(
        ts_from=pl.Series([at[0], at[0]], dtype=NS),
        ts_to=pl.Series([at[1], at[3]], dtype=NS),
        capital=pl.Series([Decimal(100)] * 2).cast(pl.Decimal(38, 12)),
        equity=pl.Series([Decimal(first), Decimal(second)]).cast(pl.Decimal(38, 12)),
    )
    equity = pl.DataFrame(
        {
            "ts": pl.Series(at, dtype=NS),
            "session_date": [one.date() for one in at],
            "equity": [100.0, float(first), 100.0, float(second)],
            "drawdown": [0.0] * 4,
            "exposure": [0.0] * 4,
        }
    )
    return replace(whole, run=run, equity=equity, summary=whole.summary.clear())


def test_the_same_evidence_gives_the_same_bytes(simulate) -> None:
    assert report(simulate()) == report(simulate())


@pytest.mark.slow
def test_other_processes_and_hash_seeds_give_the_same_bytes() -> None:
    told = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); from conftest import simulated;"
        "from tickline.backtest.report.page import report;"
        "print(hashlib.sha256(report(simulated()).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", told, str(Path(__file__).parent)]
    root = Path(__file__).parents[2]
    seen = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, cwd=root, check=True, capture_output=True).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_the_page_needs_nothing_from_anywhere(page) -> None:
    addresses = [value for _, name, value in page.attributes if name in ("src", "href", "action", "srcset")]
    assert addresses == ["data:,"]
    assert ("meta", "name", "viewport") in page.attributes


def test_only_the_scripts_of_the_page_may_run(page) -> None:
    policy = next(value for _, name, value in page.attributes if name == "content" and "script-src" in value)
    allowed = policy.split("script-src ")[1].split(";")[0].split()
    own = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts[""]]
    assert allowed == [f"'sha256-{digest}'" for digest in own]
    assert policy.startswith("default-src 'none';")


def test_every_section_of_full_evidence_is_there(page) -> None:
    assert page.headings == [
        "What was assumed",
        "Measures",
        "Equity",
        "Drawdown",
        "Trades on bars",
        "Costs",
        "Rolling Sharpe ratio",
        "What else could have happened",
        "Under stress",
        "Parameters tried",
        "Regimes",
        "Windows",
        "Worst and best trades",
        "Orders refused",
        "Trials that failed",
        "Where this came from",
    ]


def test_sections_without_evidence_are_not_there(simulate) -> None:
    full = simulate(windows=1, sessions=5)
    bare = replace(
        full,
        bars=None,
        regimes=None,
        fan=None,
        stress=None,
        assumed=None,
        folds=full.folds.clear(),
        summary=full.summary.clear(),
        orders=full.orders.clear(),
        fills=full.fills.clear(),
        trades=full.trades.clear(),
    )
    page = Page(report(bare))
    assert page.headings == ["Measures", "Equity", "Drawdown", "Costs", "Windows", "Where this came from"]
    assert "It never traded" in page.words


def test_hostile_names_are_shown_and_never_markup(hostile, page) -> None:
    seen = Page(report(hostile))
    assert set(seen.tags) <= set(page.tags)
    assert len(seen.scripts[""]) == 2
    assert not [one for one in seen.attributes if one[1].startswith("on") or "javascript:" in (one[2] or "")]
    for where in (f"Backtest of {HOSTILE}", HOSTILE, f"{HOSTILE} = 14, slow = "):
        assert any(where in word for word in seen.words), where


def test_no_figure_holds_text_that_plotly_takes_for_markup(hostile) -> None:
    def texts(value):
        if isinstance(value, dict):
            yield from (text for one in value.values() for text in texts(one))
        elif isinstance(value, list):
            yield from (text for one in value for text in texts(one))
        elif isinstance(value, str):
            yield value

    written = [text for figure in Page(report(hostile)).figures for text in texts(figure)]
    assert [text for text in written if "<" in text and not text.endswith("<extra></extra>")] == []
    assert any("alert(1)" in text for text in written)


@examples
@given(text=st.text(), value=st.text())
def test_an_element_says_what_it_was_given(text, value) -> None:
    # A parser may normalise line ends and drop what no document may hold.
    text, value = (one.replace("\r", "").replace("\0", "") for one in (text, value))
    seen = Page(element("p", text, data_name=value))
    assert "".join(seen.words) == text
    assert seen.attributes == [("p", "data-name", value)]


@examples
@example(value="</script><script>alert(1)</script><!--<script>")
@given(value=st.recursive(st.text() | st.integers(-1000, 1000), lambda inner: st.lists(inner, max_size=3)))
def test_data_says_what_it_was_given(value) -> None:
    assert Page(data(value)).figures == [value]


def test_every_figure_is_one_that_plotly_knows(page) -> None:
    from plotly.graph_objects import Figure

    for figure in page.figures:
        coloured = json.loads(json.dumps(figure), object_hook=_black)
        Figure(coloured)  # raises for names and values there are not


def _black(of):
    return {
        key: "#000000" if key.endswith("color") and isinstance(value, str) and value.startswith("--") else value
        for key, value in of.items()
    }


def test_every_colour_of_a_figure_is_one_of_the_page(page) -> None:
    style = (Path(figures.__file__).parent / "page.css").read_text()
    used = {text for figure in page.figures for text in json.dumps(figure).split('"') if text.startswith("--")}
    assert used
    assert {name for name in used if f"{name}:" not in style} == set()


def test_windows_are_compounded(simulate) -> None:
    both = two_windows(simulate, 110, 90)
    assert curve(both)["equity"].to_list() == pytest.approx([100, 100, 110, 110, 99])
    assert curve(both)["drawdown"].to_list() == pytest.approx([0, 0, 0, 0, -0.1])
    assert curve(both)["ts"][0] < curve(both)["ts"][1] == both.equity["ts"][0]
    assert windows(both)["first"].to_list() == [both.equity["ts"][nth] for nth in (0, 2)]
    assert growth(both) == pytest.approx(0.99)
    assert windows(both)["total_return"].to_list() == pytest.approx([0.1, -0.1])
    assert money(both).net == 0


def test_an_account_that_lost_everything_stays_at_nothing(simulate) -> None:
    ruined = two_windows(simulate, -5, 200)
    assert curve(ruined)["equity"].to_list() == [100, 100, -5, 0, 0]
    assert verdict(ruined).headline == "It lost 100.00% after costs"
    report(ruined)


def test_money_adds_up_to_the_last_digit(evidence) -> None:
    sums = money(evidence)
    assert sums.gross - sums.fees - sums.charges == sums.net
    assert float(sums.net) == pytest.approx(evidence.trades["net"].sum())
    assert float(sums.gross) == pytest.approx(evidence.trades["gross"].sum())


def test_a_window_has_the_measures_of_its_own_row(evidence) -> None:
    own = evidence.summary.filter(pl.col("scope") != "all").sort("scope")
    assert (
        windows(evidence)
        .select("max_drawdown", "sharpe", "trades")
        .equals(own.select("max_drawdown", "sharpe", "trades"))
    )


def test_measures_are_the_summarys(evidence) -> None:
    told = evidence.summary.filter(pl.col("scope") == "all").row(0, named=True)
    found = measures_of(evidence)
    assert found == {name: told[name] for name in found}
    assert len(found) == len(BACKTESTS["backtest_summary"].columns) - 2


def test_measures_without_a_summary_are_those_of_curve_and_trades(evidence) -> None:
    without = measures_of(replace(evidence, summary=evidence.summary.clear()))
    with_it = measures_of(evidence)
    same = ("total_return", "max_drawdown", "trades", "win_rate", "profit_factor", "sessions")
    assert [without[name] for name in same] == pytest.approx([with_it[name] for name in same])
    assert (without["trials"], without["pbo"], without["deflated_sharpe"]) == (240, None, None)


def test_the_worst_and_the_best_trades_are_listed(evidence, page) -> None:
    def nets(title: str) -> list[float]:
        cells = page.words[page.words.index(title) + 1 :][9 : 9 * 6]  # nine columns: a heading and five trades
        return [float(cell.replace(",", "")) for cell in cells[8::9]]

    net = sorted(evidence.trades["net"])
    assert nets("Worst") == pytest.approx(net[:5], abs=0.01)
    assert nets("Best") == pytest.approx(net[:-6:-1], abs=0.01)


def test_regimes_share_the_time_and_the_result(evidence) -> None:
    shares = by_regime(evidence, evidence.regimes)
    assert shares["share"].sum() == pytest.approx(1)
    labelled = curve(evidence).filter(pl.col("ts") >= evidence.regimes["ts"][0])["equity"]
    product = float(np.prod(shares["total_return"].to_numpy() + 1))
    assert product == pytest.approx(labelled[-1] / labelled[0])


@pytest.mark.parametrize(
    ("run", "judged", "says", "tone"),
    [
        ({"equity": 90_000}, {}, "It lost 10.00% after costs", Tone.BAD),
        ({"equity": 100_000}, {}, "It lost 0.00% after costs", Tone.BAD),
        ({"equity": 105_000}, {}, "It made 5.00% after costs", Tone.GOOD),
        ({"equity": 105_000}, {"deflated_sharpe": 0.94}, "It made 5.00% after costs, which may be luck", Tone.DOUBTFUL),
        ({"equity": 105_000}, {"pbo": 0.5}, "It made 5.00% after costs, which may be luck", Tone.DOUBTFUL),
        (
            {"equity": 105_000, "conserved": False},
            {},
            "Its books do not balance: nothing here can be trusted",
            Tone.BAD,
        ),
    ],
)
def test_the_headline_is_the_truth(simulate, run, judged, says, tone) -> None:
    one = simulate(windows=1, sessions=90)
    assert one.trades.height >= 30
    found = verdict(
        replace(
            one,
            run=with_values(one.run, run),
            summary=with_values(one.summary, {"deflated_sharpe": 0.96, "pbo": 0.4} | judged),
        )
    )
    assert (found.headline, found.tone) == (says, tone)


def test_a_profit_from_few_trades_may_be_luck(simulate) -> None:
    one = simulate(windows=1, sessions=5)
    assert 0 < one.trades.height < 30
    lucky = replace(one, run=with_values(one.run, {"equity": 105_000}), summary=one.summary.clear())
    assert verdict(lucky).tone is Tone.DOUBTFUL
    assert "So few trades do not tell skill from luck." in verdict(lucky).sentences
    assert "Over so few sessions, figures a year say little." in verdict(lucky).sentences


def with_values(frame: pl.DataFrame, values) -> pl.DataFrame:
    """A frame with the same value in each row of some columns."""
    return frame.with_columns(pl.lit(value).cast(frame.schema[name]).alias(name) for name, value in values.items())


def test_the_verdict_tells_costs_trades_and_luck(simulate) -> None:
    one = simulate(windows=1, sessions=5)
    measured = {"trials": 80, "deflated_sharpe": 0.12, "pbo": 0.68, "win_rate": 0.25, "max_drawdown": 0.5}
    summary = with_values(one.summary, measured)
    run = with_values(one.run, {"fees": 900, "charges": -50, "equity": 99_150})
    told = " ".join(verdict(replace(one, run=run, summary=summary)).sentences)
    for said in (
        "It began with 100,000.00. Before costs it gained 0; fees took 900.00,",
        "funding and borrowing gave 50: -850.00 net.",
        "At its worst it stood 50.00% below an earlier high.",
        f"{one.trades.height} trades, 25.00% won.",
        "So few trades do not tell skill from luck.",
        "80 trials were made to choose parameters.",
        "deflated Sharpe ratio is 12.00%",
        "not convincing",
        "overfitting is 68.00%",
    ):
        assert said in told
    run = with_values(one.run, {"fees": 900, "charges": 0, "equity": 99_950})
    assert "Costs turned a gain into a loss." in verdict(replace(one, run=run)).sentences


def test_optimistic_assumptions_are_called_so() -> None:
    told = assumptions(Assumptions(fill_at="close"), None, mode="bar")
    assert "optimistic" in told["Orders"]
    assert told["Fees"] == "Maker not given, taker not given of the value traded."
    assert told["Slippage"] == "None, which is optimistic."
    assert "larger than a bar's volume, which is optimistic" in told["Volume"]
    half = assumptions(Assumptions(participation=0.5), None, mode="bar")
    assert half["Volume"] == "Orders may be as much as 50% of a bar's volume."
    costs = Costs(slippage_ticks=2, slippage_bps=Decimal("0.5"), taker_bps=Decimal(7))
    careful = Assumptions(costs=costs, queue="log", order_latency_ms=12.5)
    told = assumptions(careful, FeeSchedule(maker_bps=Decimal(-1), taker_bps=Decimal(10)), mode="tick")
    assert told["Fees"] == "Maker -1 bps, taker 7 bps of the value traded."
    assert told["Slippage"] == "2 ticks plus 0.5 bps against whatever takes."
    assert told["Latency"].startswith("12.5 ms")
    assert "log model" in told["Resting limits"]


def test_the_surface_has_the_median_of_each_cell(evidence) -> None:
    heat, cross = figures.surface(evidence.folds)["data"]
    rows = evidence.folds.select("parameters", "objective").drop_nulls().rows()
    tried = [orjson.loads(text) | {"objective": merit} for text, merit in rows]
    assert (heat["x"], heat["y"]) == ([str(slow) for slow in range(40, 80, 5)], ["6", "10", "14", "18", "22"])
    expected = [
        [
            np.median([one["objective"] for one in tried if (one["fast"], one["slow"]) == (fast, slow)])
            for slow in range(40, 80, 5)
        ]
        for fast in range(6, 26, 4)
    ]
    assert np.array(heat["z"]) == pytest.approx(np.array(expected))
    chosen = [orjson.loads(text) for text in evidence.folds.filter("chosen")["parameters"]]
    assert set(zip(cross["x"], cross["y"], strict=True)) == {(str(one["slow"]), str(one["fast"])) for one in chosen}


def folds(parameters, objectives) -> pl.DataFrame:
    schema = BACKTESTS["backtest_folds"].columns
    rows = [
        {"parameters": orjson.dumps(one).decode(), "objective": merit, "chosen": False}
        for one, merit in zip(parameters, objectives, strict=True)
    ]
    return pl.DataFrame(rows, schema=schema)


def test_one_varied_parameter_is_drawn_as_dots_and_none_not_at_all() -> None:
    dots = figures.surface(folds([{"n": 3, "m": 1}, {"n": 20, "m": 1}], [0.5, 0.7]))
    assert (dots["data"][0]["x"], dots["data"][0]["y"]) == (["3", "20"], [0.5, 0.7])
    assert figures.surface(folds([{"n": 3}] * 2, [0.5, 0.7])) is None
    assert figures.surface(folds([], [])) is None


def test_many_values_share_cells_and_words_do_not() -> None:
    tried = [{"x": nth / 7, "how": "ab"[nth % 2]} for nth in range(100)]
    heat = figures.surface(folds(tried, [float(nth) for nth in range(100)]))["data"][0]
    assert (len(heat["x"]), heat["y"]) == (16, ["a", "b"])
    assert heat["x"][0] == "0 to 0.857143"
    assert heat["z"][0][0] == np.median([0, 2, 4, 6])


@examples
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300),
    buckets=st.integers(1, 20),
)
def test_a_thinned_line_keeps_its_ends_and_extremes(values, buckets) -> None:
    series = pl.DataFrame({"x": range(len(values)), "y": values}, schema={"x": pl.Int64, "y": pl.Float64})
    thinned = thin(series, "y", buckets=buckets)
    assert thinned.height <= max(4 * buckets, 1)
    assert thinned["x"].is_sorted()
    assert thinned.join(series, on=["x", "y"], how="anti").is_empty()
    assert {0, len(values) - 1} <= set(thinned["x"])
    assert (thinned["y"].min(), thinned["y"].max()) == (min(values), max(values))


@examples
@given(at=st.lists(st.integers(0, 479), max_size=30), buckets=st.integers(1, 50))
def test_merged_bars_keep_extremes_and_the_bars_of_trades(evidence, at, buckets) -> None:
    bars = evidence.bars.head(480)
    times = (bars["ts_open"].gather(at) + timedelta(minutes=17)).cast(NS)
    merged = thin_bars(bars, times, buckets=buckets)
    assert merged.height <= buckets + 2 * len(set(at))
    assert (merged["high"].max(), merged["low"].min()) == (bars["high"].max(), bars["low"].min())
    assert (merged["ts"][0], merged["close"][-1]) == (bars["ts_open"][0], bars["close"][-1])
    assert merged["ts"].is_sorted()
    own = bars.gather(sorted(set(at))).select(pl.col("ts_open").alias("ts"), "high", "low", "close")
    assert own.join(merged, on=["ts", "high", "low", "close"], how="anti").is_empty()


def test_bars_without_prints_have_the_middle_of_their_quotes(evidence) -> None:
    bars, names, nth = evidence.bars.head(3), ("high", "low", "close"), pl.int_range(pl.len())
    sides = {f"{side}_{name}": price for side, price in (("bid", 10.0), ("ask", 11.0)) for name in names}
    quoted = bars.with_columns(
        *(pl.when(nth == 0).then(pl.col(name)).alias(name) for name in names),
        *(pl.when(nth == 1).then(price).alias(name) for name, price in sides.items()),
    )
    assert thin_bars(quoted, pl.Series([], dtype=NS))["close"].to_list() == [bars["close"][0], 10.5]


def test_only_bars_of_the_time_it_was_tested_are_drawn(evidence) -> None:
    times = evidence.equity["ts"][100:200]
    short = replace(evidence, equity=evidence.equity.slice(100, 100), trades=evidence.trades.clear())
    drawn = figures.trades(short, evidence.bars, "BTC/USDT")["data"][2]["x"]
    opens = evidence.bars.filter(pl.col("ts_close").is_in(times.implode()))["ts_open"].dt.epoch("ms")
    assert drawn == opens.to_list()
    assert figures.trades(short, evidence.bars, "ETH/USDT") is None


def test_half_a_million_bars_fit_a_page_that_holds_the_bars_of_its_trades(simulate) -> None:
    large = simulate(windows=5, sessions=70, minutes=1)
    assert large.bars.height == 504_000
    text = report(large)
    assert len(text.encode()) < 8_000_000
    seen = Page(text)
    assert f"{large.trades.height - 2_000:,} trades that won or lost less than these are not drawn." in seen.words
    drawn = next(one for one in seen.figures if one["data"][0]["name"] == "High")["data"]
    closes = dict(zip(drawn[2]["x"], drawn[2]["y"], strict=True))
    entries = [at for trace in drawn if trace["name"].endswith("entry") for at in trace["x"]]
    assert len(entries) == 2_000
    bar_closes = dict(large.bars.select(pl.col("ts_open").dt.epoch("ms"), "close").rows())
    assert all(closes[at] == bar_closes[at] for at in entries)


def test_the_costs_lead_from_gross_to_net(evidence) -> None:
    (steps,) = figures.costs(evidence)["data"]
    *parts, net = steps["y"]
    assert sum(parts) == pytest.approx(net)
    assert net == pytest.approx(evidence.trades["net"].sum())


def test_the_preview_is_small_and_says_the_same(evidence) -> None:
    told = preview(evidence)
    assert told.startswith(f"**{verdict(evidence).headline}** (sma_trend)\n")
    assert f"| Trades | {evidence.trades.height} |" in told
    assert len(told) < 2_000


def test_nothing_hostile_reaches_the_preview(hostile) -> None:
    assert not set("<>[]()`|\\'\"") & set(preview(hostile).split("(")[1].split(")")[0])
    root = ElementTree.fromstring(picture(hostile))
    assert HOSTILE in root[0].text
    assert {one.tag.split("}")[1] for one in root.iter()} == {"svg", "title", "text", "polyline", "polygon"}


def test_the_picture_is_small_and_ends_where_the_curve_does(evidence) -> None:
    drawn = picture(evidence)
    assert len(drawn) < 20_000
    points = ElementTree.fromstring(drawn)[2].attrib["points"].split()
    assert (points[0].split(",")[0], points[-1].split(",")[0]) == ("0.0", "640.0")


def test_frames_that_are_not_evidence_are_refused(evidence) -> None:
    with pytest.raises(BacktestError, match="backtest_trades lacks net"):
        replace(evidence, trades=evidence.trades.drop("net"))
    with pytest.raises(BacktestError, match="regimes lacks label"):
        replace(evidence, regimes=evidence.regimes.drop("label"))
    with pytest.raises(BacktestError, match="no run"):
        replace(evidence, run=evidence.run.clear())
    with pytest.raises(BacktestError, match="fan of 2 columns"):
        replace(evidence, fan=evidence.fan.select("step", "q50"))


QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@pytest.fixture
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield launched
        launched.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_draw_offline_without_a_complaint_and_fit_the_screen(
    browser, evidence, hostile, tmp_path, width, scheme
) -> None:
    pages = {"report": report(evidence), "hostile": report(hostile), "compare": compare(evidence, hostile)}
    for name, text in pages.items():
        path = tmp_path / f"{name}.html"
        path.write_text(text, encoding="utf-8", newline="\n")
        shown = browser.new_page(viewport={"width": width, "height": 812}, color_scheme=scheme)
        complaints, requests = [], []
        shown.on("console", lambda message, to=complaints: to.append(message.text))
        shown.on("pageerror", lambda error, to=complaints: to.append(str(error)))
        shown.on("dialog", lambda dialog, to=complaints: (to.append(dialog.message), dialog.dismiss()))
        shown.on("request", lambda request, to=requests: to.append(request.url))
        shown.goto(path.as_uri())
        shown.wait_for_selector("body[data-drawn]", timeout=60_000)
        assert complaints == []
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.locator(".chart .main-svg").count() >= shown.locator(".chart").count() > 0
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(14, 17, 22)")
        shown.close()


@pytest.mark.slow
def test_equity_is_drawn_on_a_log_scale_and_recoloured_when_asked(browser, evidence, tmp_path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(evidence), encoding="utf-8", newline="\n")
    shown = browser.new_page(color_scheme="light")
    shown.goto(path.as_uri())
    shown.wait_for_selector("body[data-drawn]", timeout=60_000)
    first = "document.querySelector('.chart')"
    assert shown.evaluate(f"{first}.layout.yaxis.type") != "log"
    shown.get_by_text("Log scale").click()
    assert shown.evaluate(f"{first}.layout.yaxis.type") == "log"
    light = shown.evaluate(f"{first}.data[0].line.color")
    shown.emulate_media(color_scheme="dark")
    shown.wait_for_function(f"() => {first}.data[0].line.color !== '{light}'")
    assert shown.evaluate(f"{first}.layout.yaxis.type") == "log"
