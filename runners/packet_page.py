"""The go/no-go packet as one self-contained page without scripts, to read, print and sign."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from tickline.backtest.report import markup
from tickline.backtest.report.markup import Html, element, joined, table
from tickline.kpi.packet import Packet

_STYLE = Path(markup.__file__).with_name("page.css").read_text(encoding="utf-8")
_OWN_STYLE = """
.verdict strong { display: block; font-size: 1.5rem; }
.ok { color: var(--gain); font-weight: 600; }
.not { color: var(--loss); font-weight: 600; }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 2.5rem 2rem; margin-top: 3rem; break-inside: avoid; }
.sign div { border-top: 1px solid var(--ink); padding-top: 0.25rem; font-size: 0.875rem; color: var(--muted); }
@media print { body { max-width: none; font-size: 10pt; } section { break-inside: avoid-page; } }
"""
_VARIANTS = {
    "raw": "all trades",
    "filtered": "no micro prices",
    "without_largest": "without the largest",
    "without_top": "without the top few",
}


def page(made: Packet) -> str:
    """A packet as HTML, to be written as UTF-8. The same packet gives the same bytes."""
    title = f"Go/no-go: {made.lane_set}, {made.first} to {made.last}"
    body = [
        element("h1", title),
        _headline(made),
        _section("Promotion criteria", _criteria(made)),
        _section("Edge", _note("Of closed positions, in the currency of capital."), _edge(made)),
        _section("From detected to closed", _conversion(made)),
        _section("Identification", _precision(made)),
        _section("Concentration", _concentration(made)),
        _section("Open risks", _list(made.risks)),
        _section("Recommended canary", *_canary(made)),
        _section("Rolled back at once on", _list(made.rollback)),
        _section(
            "Costs against venue statements", table(("Venue", "Standing"), list(made.statements.items()), texts=2)
        ),
        _section("Signed", _signatures()),
        _section(
            "What it rests on",
            table(("What", "sha256"), [(name, element("code", one)) for name, one in made.hashes.items()], texts=2),
        ),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    head = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<link rel="icon" href="data:,">'),
        element("title", title),
        element("style", Html(_STYLE + _OWN_STYLE)),
    ]
    return f"<!doctype html>\n{element('html', element('head', *head), element('body', *body), lang='en')}\n"


def _headline(made: Packet) -> Html:
    unmet = [one.name for one in made.criteria if not one.is_met]
    says = (
        f"Every criterion is met. Start with at most {made.canary.notional:f} at stake."
        if made.is_go
        else f"{len(unmet)} of {len(made.criteria)} criteria are not met: {', '.join(unmet)}."
    )
    budget = f"{made.budget_used:.0%} of the failure budget is used. {len(made.risks)} risks are open."
    tone = "good" if made.is_go else "bad"
    return element(
        "div",
        element("strong", "GO" if made.is_go else "NO GO"),
        element("p", says),
        element("p", budget),
        class_=f"verdict {tone}",
    )


def _criteria(made: Packet) -> Html:
    rows = [(one.name, one.wanted, one.found, _mark(one.is_met)) for one in made.criteria]
    return table(("Criterion", "Wanted", "Found", "Met"), rows, texts=3)


def _edge(made: Packet) -> Html:
    rows = [
        (
            row["lane"],
            _VARIANTS[row["variant"]],
            row["trades"],
            *(_money(row[name]) for name in ("stake", "detected", "expected", "realised")),
            _mark(row["sign_stable"]),
            _mark(row["is_conclusive"]),
        )
        for row in _ordered(made.edge)
    ]
    header = ("Lane", "Over", "Trades", "Stake", "Detected", "Expected", "Realised", "Sign holds", "Conclusive")
    return table(header, rows, texts=2)


def _ordered(edge: pl.DataFrame) -> Iterable[dict[str, Any]]:
    order = list(_VARIANTS)
    return sorted(edge.to_dicts(), key=lambda row: (row["lane"], order.index(row["variant"])))


def _conversion(made: Packet) -> Html:
    names = ("detected", "gated", "opened", "closed", "held", "detected_bets", "opened_bets")
    rows = [
        (row["lane"], _VARIANTS[row["variant"]], *(row[name] for name in names), _share(row["gated_rate"]))
        for row in _ordered(made.conversion)
    ]
    header = ("Lane", "Over", "Detected", "Gated", "Opened", "Closed", "Held", "Bets seen", "Bets opened", "Gated %")
    return table(header, rows, texts=2)


def _precision(made: Packet) -> Html:
    rows = [
        (
            row["lane"],
            f"{row['judged']} of {row['sampled']}",
            row["sessions"],
            _share(row["precision"]),
            f"{row['low']:.1%} to {row['high']:.1%}",
            f"{row['session_low']:.1%} to {row['session_high']:.1%}",
            row["shown"].replace("_", " "),
        )
        for row in made.precision.iter_rows(named=True)
    ]
    header = ("Lane", "Adjudicated", "Sessions", "Precision", "Wilson", "By session", "Shown")
    return table(header, rows)


def _concentration(made: Packet) -> Html:
    rows = [
        (
            row["scope"],
            row["name"] or "not known",
            _money(row["stake"]),
            _share(row["stake_share"]),
            f"{row['stake_hhi']:.2f}",
        )
        for row in made.concentration.sort("scope", "stake", descending=[False, True]).iter_rows(named=True)
        if row["stake_share"] is not None
    ]
    return table(("By", "Which", "Stake", "Share", "HHI"), rows, texts=2)


def _canary(made: Packet) -> Sequence[Html]:
    return [
        element("p", element("strong", f"{made.canary.notional:f}"), f" of a capital of {made.capital:f}."),
        _note(made.canary.formula),
    ]


def _signatures() -> Html:
    blanks = ("Account owner", "Date", "Decision (go / no go) and notional", "Second signature")
    return element("div", *(element("div", blank) for blank in blanks), class_="sign")


def _section(title: str, *content: object) -> Html:
    return element("section", element("h2", title), *content)


def _note(text: str) -> Html:
    return element("p", text, class_="note")


def _list(lines: Iterable[str]) -> Html:
    return element("ul", joined(element("li", line) for line in lines))


def _mark(is_good: object) -> Html:
    return element("span", "yes" if is_good else "no", class_="ok" if is_good else "not")


def _money(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else "-"


def _share(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else "-"
