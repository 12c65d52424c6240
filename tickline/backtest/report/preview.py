"""A backtest at a glance: a few lines of Markdown and a small picture, for where a whole page is too much."""

import html

import polars as pl

from tickline.backtest.report.evidence import Evidence, curve
from tickline.backtest.report.measures import MEASURES, measures_of
from tickline.backtest.report.thinning import thin
from tickline.backtest.report.verdict import verdict

_WIDTH, _HEIGHT, _FALL_TOP = 640, 240, 170
_BUCKETS = 160
_LONGEST_NAME = 80


def preview(evidence: Evidence) -> str:
    """The verdict's headline and the measures as Markdown. Nothing of it is markup of the data's making."""
    found = measures_of(evidence)
    rows = [f"| {one.title} | {one.written(found[one.name])} |" for one in MEASURES if found[one.name] is not None]
    return "\n".join(
        [
            f"**{verdict(evidence).headline}** ({_plain(evidence.strategy)})",
            "",
            "| Measure | Value |",
            "| --- | ---: |",
            *rows,
        ]
    )


def picture(evidence: Evidence) -> bytes:
    """Equity above, drawdown below, as an SVG of a few kilobytes that runs nothing."""
    whole = curve(evidence)
    start, end = whole["ts"][0], whole["ts"][-1]
    at = ((pl.col("ts") - start).dt.total_nanoseconds() / max(1, (end - start).total_seconds() * 1e9)).alias("x")
    equity = thin(whole, "equity", buckets=_BUCKETS).with_columns(at)
    fallen = thin(whole, "drawdown", buckets=_BUCKETS).with_columns(at)
    upper = _points(equity["x"], equity["equity"], top=24, bottom=_FALL_TOP - 16)
    lower = _points(fallen["x"], fallen["drawdown"], top=_FALL_TOP, bottom=_HEIGHT - 20)
    colour = "#1a7f37" if equity["equity"][-1] >= equity["equity"][0] else "#c0362c"
    title = html.escape(f"{evidence.strategy}: {verdict(evidence).headline}")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12" fill="#6b7683">',
        f"<title>{title}</title>",
        f'<text x="4" y="14">{title}</text>',
        f'<polyline points="{upper}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
        f'<polygon points="0,{_FALL_TOP} {lower} {_WIDTH},{_FALL_TOP}" fill="#c0362c" fill-opacity="0.35"/>',
        f'<text x="4" y="{_HEIGHT - 5}">{start:%Y-%m-%d}</text>',
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 5}" text-anchor="end">{end:%Y-%m-%d}</text>',
        "</svg>",
    ]
    return "\n".join(lines).encode()


def _points(x: pl.Series, y: pl.Series, *, top: int, bottom: int) -> str:
    """Points of a line that fills the width, its highest value at `top` and its lowest at `bottom`."""
    highest, lowest = float(y.max()), float(y.min())  # type: ignore[arg-type]
    span = (highest - lowest) or 1.0
    down = (highest - y) / span * (bottom - top) + top
    return " ".join(f"{across * _WIDTH:.1f},{at:.1f}" for across, at in zip(x, down, strict=True))


def _plain(text: str) -> str:
    """A name as the letters, digits and marks that mean nothing to Markdown or HTML, so many at most."""
    kept = "".join(one if one.isalnum() or one in " .,-+:%/_" else " " for one in text[:_LONGEST_NAME])
    return " ".join(kept.split())
