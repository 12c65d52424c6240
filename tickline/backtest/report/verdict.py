"""What a backtest came to in plain words: the truth of it, also where the strategy loses."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tickline.backtest.assumptions import Assumptions
from tickline.backtest.report.evidence import Evidence, growth, money
from tickline.backtest.report.measures import amount, measures_of, percent, plain
from tickline.reference.models import FeeSchedule

FEW_TRADES = 30
"""With fewer trades than this a mean is not told from luck: the usual rule of thumb for the central limit theorem."""

CONVINCING = 0.95
"""The confidence at which a deflated Sharpe ratio is usually taken to say something."""


FEW_SESSIONS = 63
"""Of fewer, a quarter of a year, yearly figures say little."""


COIN_TOSS = 0.5
"""A probability of overfitting from which on choosing by the past is no better than choosing blindly."""


class Tone(StrEnum):
    """How a verdict is to be taken."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # it made something, which may be luck
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A headline, its tone, and what is true besides. Plain text, to be escaped like any other."""

    headline: str
    tone: Tone
    sentences: tuple[str, ...]


def verdict(evidence: Evidence) -> Verdict:
    """What is true of a backtest: result, costs, drawdown, trades, and how much of it may be luck."""
    headline, tone = _headline(evidence)
    return Verdict(headline, tone, (*_span(evidence), *_costs(evidence), *_trades(evidence), *_luck(evidence)))


def assumptions(assumed: Assumptions, fees: FeeSchedule | None, *, mode: str) -> dict[str, str]:
    """What was taken for granted: a sentence for each thing. `mode` is bar or tick."""
    costs = assumed.costs
    maker = costs.maker_bps if costs.maker_bps is not None else fees.maker_bps if fees else None
    taker = costs.taker_bps if costs.taker_bps is not None else fees.taker_bps if fees else None
    slips = [
        *(
            [f"{costs.slippage_ticks} {'tick' if costs.slippage_ticks == 1 else 'ticks'}"]
            if costs.slippage_ticks
            else []
        ),
        *([_bps(costs.slippage_bps)] if costs.slippage_bps else []),
        *([f"{costs.impact_bps:g} bps times the root of the share of the bar's volume"] if costs.impact_bps else []),
    ]
    lent = f"at {_bps(costs.short_bps_per_year)} a year" if costs.short_bps_per_year else "free of charge"
    return {
        **(_of_ticks(assumed) if mode == "tick" else _of_bars(assumed)),
        "Fees": f"Maker {_bps(maker)}, taker {_bps(taker)} of the value traded.",
        "Slippage": f"{' plus '.join(slips)} against whatever takes." if slips else "None, which is optimistic.",
        "Short selling": f"Allowed, {lent}." if assumed.short else "Not allowed.",
        "Margin": f"{assumed.margin:.0%} of a position's value.",
    }


def _headline(evidence: Evidence) -> tuple[str, Tone]:
    change = growth(evidence) - 1
    if not evidence.run["conserved"].all():
        return "Its books do not balance: nothing here can be trusted", Tone.BAD
    if evidence.fills.is_empty():
        return "It never traded", Tone.BAD
    if change <= 0:
        return f"It lost {percent(abs(change))} after costs", Tone.BAD
    found = measures_of(evidence)
    deflated, pbo = found["deflated_sharpe"], found["pbo"]
    is_doubtful = (
        evidence.trades.height < FEW_TRADES
        or (deflated is not None and deflated < CONVINCING)
        or (pbo is not None and pbo >= COIN_TOSS)
    )
    made = f"It made {percent(change)} after costs"
    return (f"{made}, which may be luck", Tone.DOUBTFUL) if is_doubtful else (made, Tone.GOOD)


def _of_bars(assumed: Assumptions) -> dict[str, str]:
    fill_at = {
        "next_open": "What was sent on a bar trades at the next bar's open.",
        "close": "What was sent on a bar trades at that bar's close, which is optimistic: nobody knew it before.",
    }
    limit_fill = {
        "touch": "Trade once the price touches them, which is optimistic for a queue.",
        "through": "Trade once the price goes through them.",
    }
    return {
        "Orders": fill_at[assumed.fill_at],
        "Resting limits": limit_fill[assumed.limit_fill],
        "Volume": "Orders may be larger than a bar's volume, which is optimistic for large ones."
        if assumed.participation is None
        else f"Orders may be as much as {assumed.participation:.0%} of a bar's volume.",
    }


def _of_ticks(assumed: Assumptions) -> dict[str, str]:
    queue, partly = assumed.queue.replace("_", " "), "with" if assumed.partial_fills else "without"
    return {
        "Latency": f"{assumed.order_latency_ms:g} ms to the venue, {assumed.answer_latency_ms:g} ms back.",
        "Resting limits": f"Wait in the queue of their price ({queue} model), {partly} partial fills.",
    }


def _span(evidence: Evidence) -> list[str]:
    runs = evidence.run.height
    sessions = evidence.equity["session_date"].sort()
    shown = f"{evidence.run['rows'].sum():,} {'ticks' if evidence.run['mode'][0] == 'tick' else 'bars'}"
    over = f"{runs} windows, one after the other" if runs > 1 else "one window"
    told = [f"Sessions {sessions[0]} to {sessions[-1]}, {over}; {shown} were shown to it."]
    few = ["Over so few sessions, figures a year say little."] if sessions.n_unique() < FEW_SESSIONS else []
    return told + few


def _costs(evidence: Evidence) -> list[str]:
    sums = money(evidence)
    capital = evidence.run["capital"][0]
    start = "Each window began" if evidence.run.height > 1 else "It began"
    held = f"{start} with {amount(capital)}." if evidence.run["capital"].n_unique() == 1 else ""
    change = f"Before costs it {'gained' if sums.gross >= 0 else 'lost'} {amount(abs(sums.gross))}"
    paid = f"fees took {amount(sums.fees)}" if sums.fees >= 0 else f"rebates gave {amount(-sums.fees)}"
    if sums.charges:
        verb = "took" if sums.charges > 0 else "gave"
        paid += f", funding and borrowing {verb} {amount(abs(sums.charges))}"
    told = f"{held} {change}; {paid}: {amount(sums.net)} net.".strip()
    return [told, *(["Costs turned a gain into a loss."] if sums.gross > 0 >= sums.net else [])]


def _trades(evidence: Evidence) -> list[str]:
    found = measures_of(evidence)
    fell = found["max_drawdown"]
    told = [] if fell is None else [f"At its worst it stood {percent(fell)} below an earlier high."]
    count, still = evidence.trades.height, int(evidence.trades["is_open"].sum())
    won = found["win_rate"]
    told.append(f"{count:,} {'trade' if count == 1 else 'trades'}" + ("." if won is None else f", {percent(won)} won."))
    if still:
        told.append(f"{still:,} of them {'was' if still == 1 else 'were'} open at the end, at the last price.")
    if count < FEW_TRADES:
        told.append("So few trades do not tell skill from luck.")
    return told


def _luck(evidence: Evidence) -> list[str]:
    found = measures_of(evidence)
    trials, deflated, pbo = found["trials"], found["deflated_sharpe"], found["pbo"]
    if not trials or trials == 1:
        told = ["One set of parameters was tried here; tries made elsewhere are not known to this report."]
    else:
        told = [f"{plain(trials)} trials were made to choose parameters."]
    if deflated is not None:
        judged = "which is convincing" if deflated >= CONVINCING else "which is not convincing"
        told.append(
            f"The deflated Sharpe ratio is {percent(deflated)}: so probable is it that the true Sharpe ratio is above "
            f"what the best of so many worthless trials would show, {judged} ({CONVINCING:.0%} would be)."
        )
    if pbo is not None:
        judged = "no better than luck." if pbo >= COIN_TOSS else "better than luck, which is not yet profit."
        told.append(
            f"The probability of backtest overfitting is {percent(pbo)}: so often was the best in one half of the time "
            f"no better than the median in the other. Choosing was {judged}"
        )
    return told


def _bps(rate: Decimal | None) -> str:
    return "not given" if rate is None else f"{rate.normalize():f} bps"
