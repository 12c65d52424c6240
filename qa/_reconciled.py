"""Whether what a desk decided, what was opened and what it thinks it holds are one story, told by rows alone.

Nothing of the desk's own code is used: families, cooldowns, totals and exposures are all counted again here.
"""

from collections.abc import Callable
from decimal import Decimal

import polars as pl

from qa._desk_runs import Ran

MONEYS = ("size", "stake", "expected")


def wrong_in(one: Ran) -> dict[str, int]:
    """For each check that failed, in how many rows or totals."""
    found = {name: check(one) for name, check in CHECKS.items()}
    return {name: count for name, count in found.items() if count}


def families_of_a_bet(one: Ran) -> int:
    """Bets that go by more than one family, and families that stand for more than one bet."""
    named = one.decisions.select("opportunity_id", "ts", "family").join(one.seen, on=["opportunity_id", "ts"]).unique()
    per_bet = named.group_by("bet").agg(pl.col("family").n_unique())
    per_family = named.group_by("family").agg(pl.col("bet").n_unique())
    return int((per_bet["family"] > 1).sum() + (per_family["bet"] > 1).sum())


def undecided(one: Ran) -> int:
    """Opportunities that were not decided exactly once."""
    key = ["opportunity_id", "ts"]
    counted = one.seen.group_by(key).len().join(one.decisions.group_by(key).len(), on=key, how="full")
    return int((counted["len"] != counted["len_right"]).fill_null(value=True).sum())


def family_totals(one: Ran) -> int:
    """Families whose counts or money, by lane and kind, differ between what was taken and what was opened."""
    by = ["family", "lane", "kind"]
    decided = _totals(one.decisions.filter("is_taken"), by)
    return decided.join(_totals(one.opened, by), on=[*by, "rows", *MONEYS], how="anti").height + (
        _totals(one.opened, by).join(decided, on=[*by, "rows", *MONEYS], how="anti").height
    )


def double_counts(one: Ran) -> int:
    """Rows opened within the cooldown of another of the same bet, whatever they are called."""
    bets = one.seen.unique(["opportunity_id", "ts"])
    return _too_close(
        one, one.opened.join(bets, left_on=["opportunity_id", "ts_open"], right_on=["opportunity_id", "ts"]), "bet"
    )


def duplicate_keys(one: Ran) -> int:
    """Rows opened within the cooldown of another of the same family, or under an id that was used before."""
    return _too_close(one, one.opened, "family") + one.opened.height - one.opened["opportunity_id"].n_unique()


def held_back_for_nothing(one: Ran) -> int:
    """Refusals by the cooldown of a bet not opened within it before, and of ids that were never taken."""
    refused = (
        one.decisions.filter(_failed("cooldown"))
        .select("opportunity_id", "ts")
        .join(one.seen.unique(["opportunity_id", "ts"]), on=["opportunity_id", "ts"])
    )
    opened = one.seen.join(
        one.opened.select("opportunity_id", ts="ts_open"), on=["opportunity_id", "ts"], how="semi"
    ).select("bet", pl.col("ts").alias("ts_opened"))
    before = refused.sort("ts").join_asof(
        opened.sort("ts_opened"),
        left_on="ts",
        right_on="ts_opened",
        by="bet",
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    is_resting = (pl.col("ts") - pl.col("ts_opened") < pl.duration(seconds=one.cooldown_s)).fill_null(value=False)
    is_repeated = pl.col("opportunity_id").is_in(one.opened["opportunity_id"].implode())
    return before.filter(~(is_resting | is_repeated)).height


def untold(one: Ran) -> int:
    """Refusals without a reason or with money, takings with a reason, and answers that say nothing."""
    told = pl.col("reason").fill_null("") != ""
    money = pl.any_horizontal(pl.col(name) != 0 for name in ("size", "stake", "worst_loss", "expected"))
    silent = pl.col("gates").list.eval(pl.element().struct.field("detail").str.len_bytes() == 0).list.any()
    all_passed = pl.col("gates").list.eval(pl.element().struct.field("passed")).list.all()
    wrong = (pl.col("is_taken") & (told | ~money)) | (~pl.col("is_taken") & (~told | money))
    return one.decisions.filter(wrong | silent | (all_passed != pl.col("is_taken"))).height


def exposures(one: Ran) -> int:
    """Keys under which the desk thinks it has another amount at risk than its open rows add up to."""
    open_rows = one.opened.filter(pl.col("status") == "open")
    exact: dict[str, Decimal] = {}
    for row in open_rows.join(one.legs, on="opportunity_id").iter_rows(named=True):
        _add(exact, f"venue:{row['venue']}", row["size"] * row["cost"])
    for row in open_rows.iter_rows(named=True):
        for key in (f"event:{row['event']}", f"cluster:{row['event']}", f"lane:{row['lane']}", "account:all"):
            _add(exact, key, row["stake"])
    thought = one.state.exposure
    return sum(thought.get(key, Decimal(0)) != exact.get(key, Decimal(0)) for key in {*exact, *thought})


def own_books(one: Ran) -> int:
    """Open rows the desk does not hold, or the other way round, and what it thinks it made."""
    open_ids = set(one.opened.filter(pl.col("status") == "open")["opportunity_id"])
    made = sum(one.opened["realised"].drop_nulls(), Decimal(0))
    return len(open_ids ^ set(one.state.held)) + (made != one.state.made)


CHECKS: dict[str, Callable[[Ran], int]] = {
    check.__name__: check
    for check in (
        families_of_a_bet,
        undecided,
        family_totals,
        double_counts,
        duplicate_keys,
        held_back_for_nothing,
        untold,
        exposures,
        own_books,
    )
}


def _totals(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.len().alias("rows"), *(pl.col(name).sum() for name in MONEYS))


def _too_close(one: Ran, opened: pl.DataFrame, by: str) -> int:
    apart = opened.sort(by, "ts_open").select(pl.col("ts_open").diff().over(by).alias("apart"))
    return apart.filter(pl.col("apart") < pl.duration(seconds=one.cooldown_s)).height


def _failed(gate: str) -> pl.Expr:
    answer = (pl.element().struct.field("gate") == gate) & ~pl.element().struct.field("passed")
    return pl.col("gates").list.eval(answer).list.any()


def _add(amounts: dict[str, Decimal], key: str, amount: Decimal) -> None:
    amounts[key] = amounts.get(key, Decimal(0)) + amount
