"""The lanes on recorded markets: what each finds, why it finds no more, and whether all of it adds up.

Both venues' listings at two moments are cleaned, mapped and priced. Nobody approved any pair, so the pairs must end as
refusals; what they would come to if a person approved them is told beside it. Of the largest groups is told what all
NO and all YES cost, and what their label allows. Prices agree, so that hardly anything is found; the same books at
four fifths of their prices are priced too, for there to be opportunities whose rows and families must add up. A game
that was recorded second by second is looked at every minute.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from qa import _recorded
from tickline.lanes import diagnostics
from tickline.lanes.book import Book
from tickline.lanes.drafts import Found
from tickline.lanes.families import key
from tickline.lanes.model import Kind, Lane
from tickline.lanes.opportunities import frames
from tickline.lanes.pricing import Priced, PricingSettings, price
from tickline.lanes.structure import compiled
from tickline.markets.model import Label, Relation
from tickline.reference.loading import VARIABLES

LARGE = 30
MINUTE_NS = 60 * 10**9
PRICING = PricingSettings()
CHEAPER = 0.8
_FINEST = 1e-8
_OF_PAIRS = (Relation.EQUIVALENT, Relation.COMPLEMENT, Relation.SUBSET)


def run(
    data: Annotated[Path | None, typer.Option(help="The folder of recorded prediction markets.")] = None,
) -> dict[str, Any]:
    """Example: qa lanes --data ../shared/data/prediction"""
    recorded = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"]) / "prediction"
    folder = recorded if data is None else data
    if not folder.is_dir():
        print(f"no recorded prediction markets at {folder}; name their folder with --data")
        return {"ok": False, "reason": f"no folder {folder}"}
    figures = {one.name: _snapshot(one) for one in _recorded.snapshots(folder)}
    game = _recorded.game(folder)
    if game is not None:
        figures[game.name] = _game(game)
    return {"ok": all(figure["ok"] for figure in figures.values())} | figures


def _snapshot(of: _recorded.Snapshot) -> dict[str, Any]:
    print(f"\n{of.name}: {of.markets.height} markets, {of.quotes.height} quotes, {of.mapping.height} mapped pairs")
    found, priced = _looked(of, of.mapping, of.quotes)
    refusals = diagnostics.merged([found.refusals, priced.refusals])
    lanes = _by_lane(priced)
    large = _large_groups(of, found)
    cheap = of.quotes.with_columns(pl.col("^(yes|no)_(bid|ask)$") * CHEAPER)
    by_hand = _looked(of, _recorded.approved(of.mapping), of.quotes)[1]
    many, many_priced = _looked(of, _recorded.approved(of.mapping), cheap)
    for told in (lanes, _by_reason(refusals), large):
        print(told)
    wrong = {
        "unexplained": _unexplained(of, found) + _unexplained(of, many),
        "uncounted": _uncounted(found, priced) + _uncounted(many, many_priced),
        "without_reason": refusals.filter(pl.col("reason").fill_null("") == "").height,
        "unapproved_let_through": found.baskets.filter(pl.col("pair_id").is_not_null()).height,
        "large_groups_wrong": _wrongly_labelled(large),
        "rows_off": _rows_off(priced, found, of.quotes) + _rows_off(many_priced, many, cheap),
    }
    return {
        "ok": not any(wrong.values()) and bool(many_priced.opportunities),
        **wrong,
        "markets": of.markets.height,
        "raw": of.raw,
        "quarantined": of.refused,
        "lanes": {row.pop("lane"): row for row in lanes.rows(named=True)},
        "large_groups": large.rows(named=True),
        "if_pairs_were_approved": dict(by_hand.counts.select("lane", "opportunities").iter_rows()),
        "if_all_were_cheaper": dict(many_priced.counts.select("lane", "opportunities").iter_rows()),
    }


def _game(of: _recorded.Snapshot) -> dict[str, Any]:
    """A look at one game every minute of its record."""
    found = diagnostics.find(of.markets, of.mapping)
    structure = compiled(found.baskets, found.legs, of.markets)
    last = of.quotes.select(pl.col("ts").max().dt.epoch("ns")).item()
    counts: Counter[str] = Counter()
    ids, families = set(), Counter[str]()
    for ts_ns in range(of.ts_ns, last + 1, MINUTE_NS):
        priced = price(structure, Book.from_frames(structure.markets, of.quotes, ts_ns), PRICING)
        counts["looks"] += 1
        counts["off"] += _uncounted(found, priced) + _rows_off(priced, found, of.quotes)
        counts["rows"] += len(priced.opportunities)
        for reason, count in priced.refusals.select("reason", "count").iter_rows():
            counts[f"refused: {reason}"] += count
        ids |= {one.opportunity_id for one in priced.opportunities}
        families.update(one.basket.family for one in priced.opportunities)
    print(f"\n{of.name}: {of.raw} lines, {of.refused} of them no rows; {dict(counts)}")
    is_right = counts["off"] == 0 and families.total() == counts["rows"] and counts["looks"] > 0
    return {"ok": is_right, "lines": of.raw, "no_rows": of.refused, "opportunities": len(ids), **counts}


def _looked(of: _recorded.Snapshot, mapping: pl.DataFrame, quotes: pl.DataFrame) -> tuple[Found, Priced]:
    found = diagnostics.find(of.markets, mapping)
    structure = compiled(found.baskets, found.legs, of.markets)
    return found, price(structure, Book.from_frames(structure.markets, quotes, of.ts_ns), PRICING)


def _by_lane(priced: Priced) -> pl.DataFrame:
    """A row for every lane, whether or not it has baskets."""
    lanes = pl.DataFrame({"lane": list(Lane)}, schema={"lane": pl.String()})
    return lanes.join(priced.counts, on="lane", how="left", maintain_order="left").fill_null(0)


def _by_reason(refusals: pl.DataFrame) -> pl.DataFrame:
    keys = ["lane", "stage", "reason"]
    return refusals.group_by(keys).agg(pl.len().alias("subjects"), pl.col("count").sum()).sort(keys)


def _large_groups(of: _recorded.Snapshot, found: Found) -> pl.DataFrame:
    """All NO and all YES of each large group: what is offered of it costs, beside what that pays at least.

    `offered` is of how many markets somebody offers that side; `floor` is what those pay by the label, null where
    nothing is guaranteed; `edge` is before fees. `is_basket` is whether the lane has it, of all the group's markets.
    """
    group = key("venue", "group_id").alias("group")
    live = of.markets.filter(pl.col("group_kind") == "exclusive", pl.col("status") == "open")
    members = live.join(
        of.quotes.select("venue", "market_id", "yes_ask", "no_ask"), on=["venue", "market_id"], how="left"
    )
    large = members.group_by(group, "label").agg(
        pl.len().alias("markets"), *(pl.col(side).count().alias(f"of_{side}") for side in ("yes_ask", "no_ask")),
        pl.col("yes_ask", "no_ask").sum(),
    ).filter(pl.col("markets") >= LARGE)  # fmt: skip
    rows = [
        {
            "group": row["group"],
            "label": row["label"],
            "markets": row["markets"],
            "kind": kind,
            "offered": row[f"of_{side}"],
            "cost": row[side],
            "floor": _floor(kind, row[f"of_{side}"], row["label"], row["markets"]),
            "is_basket": _has_basket(found, kind, row["group"], of.markets),
        }
        for row in large.sort("group").rows(named=True)
        for kind, side in ((Kind.ALL_NO, "no_ask"), (Kind.ALL_YES, "yes_ask"))
    ]
    told = pl.DataFrame(rows, schema=_LARGE)
    return told.with_columns((pl.col("floor") - pl.col("cost")).alias("edge"))


_LARGE = {
    "group": pl.String(),
    "label": pl.String(),
    "markets": pl.Int64(),
    "kind": pl.String(),
    "offered": pl.Int64(),
    "cost": pl.Float64(),
    "floor": pl.Float64(),
    "is_basket": pl.Boolean(),
}


def _floor(kind: Kind, offered: int, label: str | None, markets: int) -> float | None:
    """By hand, not by the lanes: n - 1 of any exclusive markets, 1 of all of those that exhaust their event."""
    if kind is Kind.ALL_NO:
        return float(offered - 1) if offered else None
    return 1.0 if label == Label.EXHAUSTIVE and offered == markets else None


def _has_basket(found: Found, kind: Kind, group: str, markets: pl.DataFrame) -> bool:
    members = markets.filter(key("venue", "group_id") == group).select("venue", "market_id")
    baskets = found.baskets.filter(pl.col("kind") == kind).select("basket_id")
    return not found.legs.join(baskets, on="basket_id", how="semi").join(members, on=["venue", "market_id"]).is_empty()


def _wrongly_labelled(large: pl.DataFrame) -> int:
    """Groups without an all-NO, or with an all-YES that their label does not allow."""
    is_all_no = pl.col("kind") == Kind.ALL_NO
    allowed = is_all_no | (pl.col("label") == Label.EXHAUSTIVE).fill_null(value=False)
    return large.filter(pl.col("is_basket") != allowed).height


def _unexplained(of: _recorded.Snapshot, found: Found) -> int:
    """Markets, groups, parents and pairs that neither came to a basket nor to a refusal of their lane."""
    told = found.refusals.select("lane", "subject").unique()
    lanes = found.legs.join(found.baskets.select("basket_id", "lane"), on="basket_id")
    subjects = {
        Lane.INTRA: of.markets.select("venue", "market_id", subject=key("venue", "market_id")),
        Lane.BUCKET: of.markets.drop_nulls("group_id").select("venue", "market_id", subject=key("venue", "group_id")),
        Lane.EVENT_TREE: of.markets.drop_nulls("parent_id").select(
            "venue", "market_id", subject=key("venue", "parent_id")
        ),
        Lane.PARITY: of.markets.filter(group_kind="ladder").select(
            "venue", "market_id", subject=key("venue", "group_id")
        ),
    }
    lost = sum(
        members.join(lanes.filter(lane=lane), on=["venue", "market_id"], how="anti")
        .join(told.filter(lane=lane), on="subject", how="anti")
        .height
        for lane, members in subjects.items()
    )
    known = pl.concat([found.baskets.select(subject="pair_id"), told.select("subject")])
    pairs = of.mapping.filter(pl.col("relation").is_in(_OF_PAIRS)).select(subject="pair_id")
    return lost + pairs.join(known, on="subject", how="anti").height


def _uncounted(found: Found, priced: Priced) -> int:
    """Baskets whose end is not counted, and refusals without one."""
    ends = priced.counts.select(pl.col("refused", "below", "opportunities").sum())
    refused, below, hits = (int(total) for total in ends.row(0))
    told = int(priced.refusals["count"].sum())
    return (
        abs(found.baskets.height - refused - below - hits) + abs(refused - told) + abs(hits - len(priced.opportunities))
    )


def _rows_off(priced: Priced, found: Found, quotes: pl.DataFrame) -> int:
    """Opportunities that are no sum of their legs, legs that are not at the quote they name, ids that are there twice,
    and families whose totals are not those of all rows."""
    opportunities, legs = frames(priced.opportunities)
    asks = quotes.select("input_venue", "input_row", "yes_ask", "no_ask")
    quoted = legs.join(asks, on=["input_venue", "input_row"], how="left").with_columns(
        pl.when(pl.col("side") == "yes").then("yes_ask").otherwise("no_ask").alias("ask")
    )
    apart = ((pl.col("price") - pl.col("ask")).abs() > _FINEST).fill_null(value=True)
    summed = legs.group_by("opportunity_id").agg(pl.len().alias("count"), (pl.col("price") + pl.col("fee")).sum())
    joined = opportunities.join(summed, on="opportunity_id", how="left").join(
        found.baskets.select("basket_id", of_family="family", of_floor="floor", of_legs="legs"),
        on="basket_id",
        how="left",
    )
    right = (
        (pl.col("count") == pl.col("legs"))
        & ((pl.col("of_floor") - pl.col("of_legs") + pl.col("legs") - pl.col("floor")).abs() < _FINEST)
        & ((pl.col("floor") - pl.col("price") - pl.col("edge")).abs() < _FINEST)
        & (pl.col("of_family") == pl.col("family"))
    )
    by_family = opportunities.group_by("family", "lane").agg(pl.len().alias("rows"), pl.col("edge").sum())
    return (
        quoted.filter(apart).height
        + joined.filter(~right.fill_null(value=False)).height
        + (opportunities.height - opportunities["opportunity_id"].n_unique())
        + abs(int(by_family["rows"].sum()) - opportunities.height)
        + int(abs(float(by_family["edge"].sum()) - float(opportunities["edge"].sum())) > _FINEST * opportunities.height)
    )
