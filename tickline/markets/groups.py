"""Which markets of a venue exclude or imply each other: by what the venue says first, by its words where it does not.

A group is made of one event's markets, or of those the venue names as one. Whether one of an exclusive group must
resolve to yes is its label; a group of which a market could not be read is never called exhaustive.
"""

import polars as pl

from tickline.markets.model import Basis, GroupKind, Label, StrikeOp
from tickline.markets.questions import uncompared, without_strikes

COLUMNS = ("market_id", "group_id", "group_kind", "label", "label_source", "parent_id", "parent_source")

_ALL_NO = r"(?i)\ball (of the )?(other )?(markets|outcomes|strikes|options)( in this event)? (will )?resolve to \W?no\b"
_ANY_OTHER = r"(an?other|any other) (team|club|player|driver|artist|person|candidate|party|country|company)s?"
_CATCH_ALL = (
    rf"(?i)^(other|another|none|neither|nobody|no one|someone else|the field|tie|none of these|{_ANY_OTHER})$"
    r"|^(?i:draw)\b"
    rf"|^(?i:will {_ANY_OTHER})\b"
)
_FINEST = 1e-9

_STAGES = (
    ("nomination", r"(?i)\bwin the (?P<what>\d{4}).*\bnominat"),
    ("presidency", r"(?i)\bwin the (?P<what>\d{4}).*\bpresidential election\b"),
)
_ROUNDS = ("round of 32", "round of 16", "quarterfinal", "semifinal", "final")
_REACHES = (
    r"(?i)^will (?:the )?(?P<who>.+?) (?:qualify for|reach|advance to|make)(?: the)? (?P<what>.*?) ?"
    r"(?P<stage>round of 32|round of 16|quarterfinal|semifinal|final)s?\W*$"
)
_WINS = r"(?i)^will (?:the )?(?P<who>.+?) win "


def grouped(markets: pl.DataFrame, unread: pl.DataFrame) -> pl.DataFrame:
    """The group and parent of each market, as COLUMNS; nulls where it has none.

    `markets` are looks (see `tickline.markets.looks.LOOKS`), one a market; `unread` those, of any number, whose terms
    could not be read. A market is in one group: what the venue names, else a set of buckets, else a ladder.
    """
    buckets = _buckets(markets)
    exclusive = pl.concat([_named(markets, buckets), buckets]).unique("market_id", keep="first", maintain_order=True)
    exclusive = exclusive.filter(pl.len().over("group_id") > 1)
    ladders = _ladders(markets.join(exclusive, on="market_id", how="anti"))
    found = pl.concat([_labelled(exclusive, unread), ladders], how="diagonal")
    return (
        markets.select("market_id")
        .join(found, on="market_id", how="left")
        .join(_parents(markets), on="market_id", how="left")
        .select(COLUMNS)
        .sort("market_id")
    )


def _named(markets: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Exclusive groups by the venue's own word. They exhaust where each of the members that say so says yes."""
    group = pl.col("exclusive_id")
    exhausts = pl.col("exhausts").min().over(group)
    said = pl.when(exhausts).then(pl.lit(Label.EXHAUSTIVE)).when(~exhausts).then(pl.lit(Label.NON_EXHAUSTIVE))
    tiled = buckets.select("market_id", tiles=pl.col("label") == Label.EXHAUSTIVE)
    members = markets.filter(group.is_not_null()).join(tiled, on="market_id", how="left")
    all_no = pl.col("rules").str.contains(_ALL_NO).fill_null(value=False).any().over(group)
    catch_all = pl.any_horizontal(
        pl.col(name).str.strip_chars().str.contains(_CATCH_ALL).fill_null(value=False)
        for name in ("yes_label", "title")
    )
    by_words = (
        pl.when(all_no)
        .then(pl.lit(Label.NON_EXHAUSTIVE))
        .when(catch_all.any().over(group))
        .then(pl.lit(Label.EXHAUSTIVE))
    )
    by_record = pl.coalesce(
        said,
        pl.when(pl.col("tiles").fill_null(value=False).all().over(group)).then(pl.lit(Label.EXHAUSTIVE)),
    )
    source = pl.when(by_record.is_null() & by_words.is_not_null()).then(pl.lit(Basis.HEURISTIC))
    return members.select(
        "market_id",
        "event_id",
        "exclusive_id",
        group.alias("group_id"),
        pl.coalesce(by_record, by_words, pl.lit(Label.UNKNOWN)).alias("label"),
        source.otherwise(pl.lit(Basis.METADATA)).alias("label_source"),
    )


def _buckets(markets: pl.DataFrame) -> pl.DataFrame:
    """Exclusive groups of an event whose strikes cut a number's line into pieces that do not overlap.

    Of one number are those that ask the same but for the strike and how the number compares with it. They exhaust it
    where they reach from end to end without a hole. Between two closed ends fits one step of the grid on which the
    number is told, a power of ten up to 1, of which all pieces are whole numbers of.
    """
    op, low, high = pl.col("strike_op"), pl.col("strike_low"), pl.col("strike_high")
    event = ["event_id", "ts_expiry", "ts_close", "words"]
    comparable = markets.filter(_comparable() & (pl.col("is_exclusive").fill_null(value=True)))
    words = pl.concat_str([uncompared(pl.col(name)) for name in ("title", "yes_label")], separator="\n")
    asked = without_strikes(comparable, "title", "yes_label").select("market_id", words.alias("words"))
    pieces = (
        comparable.join(asked, on="market_id", how="left")
        .with_columns(
            pl.when(op.is_in([StrikeOp.LT, StrikeOp.LE])).then(float("-inf")).otherwise(low).alias("from"),
            pl.when(op.is_in([StrikeOp.GT, StrikeOp.GE]))
            .then(float("inf"))
            .otherwise(pl.coalesce(high, low))
            .alias("to"),
        )
        .sort(*event, "from", "to")
        .with_columns(
            pl.col("to").shift().over(event).alias("before"),
            (op.shift().over(event) != StrikeOp.LT).alias("before_closed"),
            (op != StrikeOp.GT).alias("closed"),
        )
        .with_columns((pl.col("from") - pl.col("before")).alias("hole"), (pl.col("to") - pl.col("from")).alias("width"))
    )
    hole, is_first = pl.col("hole"), pl.col("before").is_null()
    both_closed = pl.col("closed") & pl.col("before_closed")
    apart = is_first | (hole > 0) | ((hole == 0) & ~both_closed)
    step = pl.when(both_closed & (hole > 0)).then(hole).max().over(event)
    power = step.log10()
    on_grid = pl.col("width").is_infinite() | _whole(pl.col("width") / step)
    joins = (
        pl.when(is_first)
        .then(pl.col("from").is_infinite())
        .when(both_closed)
        .then(((hole - step).abs() < _FINEST) & (step <= 1) & _whole(power))
        .otherwise((hole == 0) & (pl.col("closed") | pl.col("before_closed")))
    )
    tiles = (joins & (on_grid | step.is_null())).all().over(event) & pl.col("to").last().over(event).is_infinite()
    ops = pl.col("strike_op").n_unique().over(event)
    judged = pieces.with_columns(
        apart.fill_null(value=False).all().over(event).alias("apart"),
        tiles.fill_null(value=False).alias("tiles"),
        (pl.len().over(event) > 1).alias("several"),
        ((ops > 1) | (op.first().over(event) == StrikeOp.BETWEEN)).alias("pieces"),
    )
    return judged.filter("apart", "several", "pieces").select(
        "market_id",
        "event_id",
        "exclusive_id",
        pl.format("{}/buckets/{}", "event_id", pl.col("market_id").min().over(event)).alias("group_id"),
        pl.when("tiles").then(pl.lit(Label.EXHAUSTIVE)).otherwise(pl.lit(Label.UNKNOWN)).alias("label"),
        pl.lit(Basis.METADATA).alias("label_source"),
    )


def _labelled(exclusive: pl.DataFrame, unread: pl.DataFrame) -> pl.DataFrame:
    """Groups with what may be missing taken into account."""
    gone = unread["event_id"].drop_nulls(), unread["exclusive_id"].drop_nulls()
    torn = (pl.col("event_id").is_in(gone[0].implode()) | pl.col("exclusive_id").is_in(gone[1].implode())).fill_null(
        value=False
    )
    is_torn = torn.any().over("group_id") & (pl.col("label") == Label.EXHAUSTIVE)
    return exclusive.select(
        "market_id",
        "group_id",
        pl.lit(GroupKind.EXCLUSIVE).alias("group_kind"),
        pl.when(is_torn).then(pl.lit(Label.UNKNOWN)).otherwise("label").alias("label"),
        "label_source",
    )


def _ladders(markets: pl.DataFrame) -> pl.DataFrame:
    """Thresholds of one number: the same event, end and words, but for the strike's number in them."""
    rises = pl.col("strike_op").is_in([StrikeOp.GT, StrikeOp.GE])
    falls = pl.col("strike_op").is_in([StrikeOp.LT, StrikeOp.LE])
    way = pl.when(rises).then(pl.lit("up")).when(falls).then(pl.lit("down"))
    of_ladder = ["event_id", "ts_expiry", "ts_close", "way", "words"]
    comparable = markets.filter(_comparable() & way.is_not_null())
    words = pl.concat_str("title", "rules", separator="\n").alias("words")
    asked = without_strikes(comparable, "title", "rules").select("market_id", words)
    rungs = comparable.with_columns(way.alias("way")).join(asked, on="market_id", how="left")
    rung = pl.struct("strike_op", pl.coalesce("strike_low", "strike_high"))
    return rungs.filter(
        (pl.len().over(of_ladder) > 1) & (rung.n_unique().over(of_ladder) == pl.len().over(of_ladder))
    ).select(
        "market_id",
        pl.format("{}/ladder/{}/{}", "event_id", "way", pl.col("market_id").min().over(of_ladder)).alias("group_id"),
        pl.lit(GroupKind.LADDER).alias("group_kind"),
    )


def _parents(markets: pl.DataFrame) -> pl.DataFrame:
    """The market that each one resolving to yes implies: the venue's word, else the stage before it."""
    ids = markets["market_id"].implode()
    said = markets.filter(pl.col("parent_id").is_in(ids) & (pl.col("parent_id") != pl.col("market_id"))).select(
        "market_id", "parent_id", pl.lit(Basis.METADATA).alias("parent_source")
    )
    stages = _stages(markets).filter(pl.len().over("who", "what", "rank") == 1).sort("who", "what", "rank")
    before = pl.col("market_id").shift().over("who", "what")
    read = stages.select("market_id", before.alias("parent_id"), pl.lit(Basis.HEURISTIC).alias("parent_source"))
    return pl.concat([said, read.filter(pl.col("parent_id").is_not_null())]).unique(
        "market_id", keep="first", maintain_order=True
    )


def _stages(markets: pl.DataFrame) -> pl.DataFrame:
    """Which stage of which contest a market asks whether somebody reaches: market_id, who, what, rank."""
    title = pl.col("title")
    reached = markets.select(
        "market_id",
        title.str.extract_groups(_REACHES).struct.field("who", "what", "stage"),
    ).with_columns(
        pl.col("stage")
        .str.to_lowercase()
        .replace_strict({name: at for at, name in enumerate(_ROUNDS)}, default=None)
        .alias("rank")
    )
    won = [
        markets.select(
            "market_id",
            title.str.extract(_WINS, 1).alias("who"),
            title.str.extract(pattern, 1).alias("what"),
            pl.when(title.str.contains(pattern)).then(rank).alias("rank"),
        )
        for rank, (_, pattern) in enumerate(_STAGES)
    ]
    frames = [frame.select("market_id", "who", "what", pl.col("rank").cast(pl.Int64)) for frame in (reached, *won)]
    plain = [pl.col(name).str.to_lowercase().str.strip_chars() for name in ("who", "what")]
    return pl.concat(frames).filter(pl.col("rank").is_not_null() & pl.col("who").is_not_null()).with_columns(plain)


def _comparable() -> pl.Expr:
    """Whether a market's strike is a place on the line of its event's number."""
    return (
        pl.col("strike_op").is_not_null() & pl.col("event_id").is_not_null() & ~pl.col("is_free").fill_null(value=False)
    )


def _whole(number: pl.Expr) -> pl.Expr:
    return (number - number.round()).abs() < 1e-6
