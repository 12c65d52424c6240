"""What a set of lanes came to over a run of one day or many, from what it left in the lake.

A run of one day has exactly the figures of the marts `kpi_lane_*_daily`. A position that stays open at midnight is in
the next day's rows again: it opens on its first day, closes on its last, and is held where the run ends before that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tickline.kpi.robustness import Variant, edge_variants
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.schemas import DATASETS

READS = ("opportunities", "decisions", "lane_fills", "lane_positions")
"""The datasets a run is of."""

STAGES = ("detected", "gated", "opened", "closed", "held")
_BETS = ("detected", "gated", "opened")


@dataclass(frozen=True, slots=True)
class Run:
    """What a set of lanes left of some days, each row with the `day` of its partition."""

    days: tuple[date, ...]
    opportunities: pl.DataFrame
    decisions: pl.DataFrame
    fills: pl.DataFrame
    positions: pl.DataFrame

    @property
    def opened(self) -> pl.DataFrame:
        """The positions opened in the run, as they stood at the end of that day."""
        return self.positions.filter(pl.col("ts_open").dt.date() == pl.col("day"))

    @property
    def closed(self) -> pl.DataFrame:
        """The positions closed in the run, whenever they were opened."""
        return self.positions.filter(pl.col("status") != "open")

    @property
    def held(self) -> pl.DataFrame:
        """The positions still open where the run ends."""
        return self.positions.filter(pl.col("status") == "open", pl.col("day") == max(self.days, default=date.min))


def run_of(partitions: Mapping[PartitionKey, pl.DataFrame]) -> Run:
    """A run of one set's partitions of READS, in the schemas of the lake; other datasets are left aside."""
    kept = {key: frame for key, frame in partitions.items() if key.dataset in READS}
    frames = {
        dataset: [
            frame.with_columns(day=pl.lit(key.date))
            for key, frame in sorted(kept.items(), key=lambda item: item[0])
            if key.dataset == dataset
        ]
        for dataset in READS
    }
    whole = [pl.concat([_empty(dataset), *frames[dataset]]) for dataset in READS]
    return Run(tuple(sorted({key.date for key in kept})), *whole)


def read_run(lake: Lake, lane_set: str, *, first: str = "", last: str = "9") -> Run:
    """What a set of lanes left in the lake from one ISO date to another, both inclusive.

    Raises LakeError where an object cannot be read.
    """
    return run_of(
        {
            key: lake.scan([publication]).collect()
            for dataset in READS
            for key, publication in lake.catalog.everything(dataset=dataset, venue=lane_set).items()
            if first <= key.period <= (last or "9")
        }
    )


def conversion(run: Run, by: Sequence[str] = ("lane",)) -> pl.DataFrame:
    """How far opportunities got by some keys, raw and without micro prices, sorted by keys and variant.

    `detected`, `gated`, `opened`, `closed` and `held` count opportunities; `*_bets` count families, each once a day, in
    the lane that was first. gated_rate = gated / detected, opened_rate = opened / gated, closed_rate = closed /
    (closed + held), null over nothing.
    """
    stages = _stages(run)
    raw = stages.with_columns(variant=pl.lit(Variant.RAW.value))
    filtered = stages.filter(~pl.col("is_micro")).with_columns(variant=pl.lit(Variant.FILTERED.value))
    counted = _counts(pl.concat([raw, filtered]), [*by, "variant"])
    return counted.with_columns(
        gated_rate=_ratio("gated", pl.col("detected")),
        opened_rate=_ratio("opened", pl.col("gated")),
        closed_rate=_ratio("closed", pl.col("closed") + pl.col("held")),
    )


def families(run: Run, by: Sequence[str] = ("lane", "family")) -> pl.DataFrame:
    """What families, or other keys, came to: counts as in `conversion`, and the exact money of their positions.

    Stake and fill ratio are of positions opened, edges, drift, fees and slippage of positions closed; drift is realised
    less expected.
    """
    counted = _counts(_stages(run).with_columns(variant=pl.lit(Variant.RAW.value)), by)
    opened = run.opened.group_by(by).agg(
        unfilled=(pl.col("status") == "unfilled").sum().cast(pl.Int64),
        opened_stake=pl.col("stake").sum(),
        fill_ratio=_share(pl.col("filled").sum(), pl.col("size").sum()),
    )
    closed = run.closed.group_by(by).agg(
        closed_stake=pl.col("stake").sum(),
        detected_edge=pl.col("detected").sum(),
        expected_edge=pl.col("expected").sum(),
        realised_edge=pl.col("realised").sum(),
        drift=pl.col("realised").sum() - pl.col("expected").sum(),
        fees=pl.col("fees").sum(),
        slippage=pl.col("slippage").sum(),
    )
    joined = counted.join(opened, on=by, how="left").join(closed, on=by, how="left")
    return joined.with_columns(pl.exclude("fill_ratio", *by).fill_null(0)).sort(by)


def edges(run: Run, by: Sequence[str] = ("lane",), *, top: int) -> pl.DataFrame:
    """Detected, expected and realised edge of the positions closed, in every variant: see `edge_variants`."""
    return edge_variants(run.closed, by, top=top)


def fill_quality(run: Run, by: Sequence[str] = ("lane", "family", "action")) -> pl.DataFrame:
    """How legs were filled: contracts, fees, slippage against the expected price (above zero is lost), maker share."""
    lost = pl.col("price") - pl.col("expected_price")
    slippage = pl.when(pl.col("direction") == "buy").then(lost).otherwise(-lost) * pl.col("size")
    summed = run.fills.group_by(by).agg(
        fills=pl.len().cast(pl.Int64),
        contracts=pl.col("size").sum(),
        fees=pl.col("fee").sum(),
        slippage=slippage.sum(),
        maker_share=_share(pl.col("size").filter("is_maker").sum(), pl.col("size").sum()),
    )
    return summed.with_columns(slippage_per_contract=_share(pl.col("slippage"), pl.col("contracts"))).sort(by)


def concentration(run: Run) -> pl.DataFrame:
    """On how few lanes, families, events and venues stake and result rest, by `scope` and `name`.

    Stake is that of positions opened, of a venue what was bought there; results are those of positions closed. Shares
    are of the scope's stake and of its absolute results; `stake_hhi` is the sum of squared shares of stake
    (Herfindahl-Hirschman).
    """
    fills = run.fills.filter(direction="buy").with_columns(stake=pl.col("price") * pl.col("size") + pl.col("fee"))
    parts = [
        *(_summed(run, scope, pl.col(scope).fill_null("")) for scope in ("lane", "family", "event")),
        fills.group_by(name="venue")
        .agg(pl.col("stake").sum())
        .with_columns(scope=pl.lit("venue"), realised=pl.lit(None, dtype=fills.schema["stake"])),
    ]
    whole = pl.concat([part.select("scope", "name", "stake", "realised") for part in parts])
    stake, result = pl.col("stake").cast(pl.Float64), pl.col("realised").cast(pl.Float64).abs()
    return (
        whole.with_columns(
            stake_share=pl.when(stake.sum().over("scope") != 0).then(stake / stake.sum().over("scope")),
            realised_share=pl.when(result.sum().over("scope") != 0).then(result / result.sum().over("scope")),
        )
        .with_columns(stake_hhi=(pl.col("stake_share") ** 2).sum().over("scope"))
        .sort("scope", "name")
    )


def costs(run: Run) -> pl.DataFrame:
    """What each venue's statement has to say of the run, by `venue`: fees, settlements, and cash less fees."""
    notional = pl.col("price") * pl.col("size")
    is_settled = pl.col("action") == "settle"
    return (
        run.fills.group_by("venue")
        .agg(
            fills=(~is_settled).sum().cast(pl.Int64),
            settlements=is_settled.sum().cast(pl.Int64),
            fees=pl.col("fee").sum(),
            settled=notional.filter(is_settled).sum(),
            cash=(pl.when(pl.col("direction") == "buy").then(-notional).otherwise(notional) - pl.col("fee")).sum(),
        )
        .sort("venue")
    )


def double_counted(run: Run) -> pl.DataFrame:
    """Positions that open or close more than once: nothing that is summed over them holds. Empty where all is well."""
    counted = run.positions.group_by("opportunity_id").agg(
        openings=(pl.col("ts_open").dt.date() == pl.col("day")).sum(), closings=(pl.col("status") != "open").sum()
    )
    return counted.filter((pl.col("openings") > 1) | (pl.col("closings") > 1)).sort("opportunity_id")


def _stages(run: Run) -> pl.DataFrame:
    """A row for each stage an opportunity reaches: stage, day, opportunity_id, lane, family, ts, is_micro."""
    columns = ("day", "opportunity_id", "lane", "family", "ts", "is_micro")
    # What is seen again within its time bucket is one opportunity.
    once = {name: pl.col(name).min() for name in ("lane", "family", "ts")}
    of = ("day", "opportunity_id")
    detected = run.opportunities.group_by(of).agg(**once, is_micro=pl.col("is_micro").fill_null(value=True).all())
    taken = run.decisions.filter("is_taken").group_by(of).agg(**once)
    gated = taken.join(detected.select(*of, "is_micro"), on=of, how="left")
    positions = {"opened": run.opened, "closed": run.closed, "held": run.held}
    frames = {"detected": detected.select(columns), "gated": gated.select(columns)} | {
        stage: frame.rename({"ts_open": "ts"}).select(columns) for stage, frame in positions.items()
    }
    whole = pl.concat(frame.with_columns(stage=pl.lit(stage)) for stage, frame in frames.items())
    return whole.with_columns(pl.col("is_micro").fill_null(value=True))


def _counts(stages: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    of_bet = ("variant", "stage", "day", "family")
    first = pl.struct("ts", "opportunity_id").rank("ordinal").over(of_bet) == 1
    bets = {f"{stage}_bets": ((pl.col("stage") == stage) & pl.col("is_bet")).sum().cast(pl.Int64) for stage in _BETS}
    return (
        stages.with_columns(is_bet=first)
        .group_by(by)
        .agg(**{stage: (pl.col("stage") == stage).sum().cast(pl.Int64) for stage in STAGES}, **bets)
        .sort(by)
    )


def _summed(run: Run, scope: str, name: pl.Expr) -> pl.DataFrame:
    opened = run.opened.group_by(name.alias("name")).agg(pl.col("stake").sum())
    closed = run.closed.group_by(name.alias("name")).agg(pl.col("realised").sum())
    held = run.positions.select(name.alias("name")).unique()
    found = held.join(opened, on="name", how="left").join(closed, on="name", how="left")
    return found.with_columns(pl.col("stake", "realised").fill_null(0), scope=pl.lit(scope))


def _ratio(part: str, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole != 0).then(pl.col(part) / whole)


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole != 0).then(part.cast(pl.Float64) / whole.cast(pl.Float64))


def _empty(dataset: str) -> pl.DataFrame:
    return DATASETS[dataset].empty().with_columns(day=pl.lit(None, dtype=pl.Date()))
