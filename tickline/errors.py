"""Every error Tickline raises on purpose. A message names the thing, the place and the way out."""


class TicklineError(Exception):
    """Root of all deliberate errors: what happened, where, and what to do about it."""


class ConfigError(TicklineError):
    """A configuration file is missing, unreadable or says something impossible."""


class SourceError(TicklineError):
    """A source could not deliver: missing, truncated, renamed, of another format, or unreachable."""


class SchemaDrift(SourceError):
    """A whole batch has other columns or types than its dataset declares."""


class LakeError(TicklineError):
    """The lake refused or could not complete an operation; nothing was half-published."""


class LeaseLost(LakeError):
    """Another run holds this partition, or took it over while this one was away."""


class Corrupt(LakeError):
    """Stored bytes do not hash to the name they are stored under."""


class FirewallError(TicklineError):
    """A firewall rule is not well-formed or does not fit the feed it judges."""


class GateClosed(TicklineError):
    """A check found an input wrong, so nothing may be made from it."""


class OrderError(TicklineError):
    """Something was said to have happened to an order, or to money, that cannot happen."""


class BacktestError(TicklineError):
    """A backtest could not be run: too little data, a window without sessions, or a strategy that failed."""


class MarketError(TicklineError):
    """A prediction market, a mapping between two, or what is said of one, is not what it must be."""


class LaneError(TicklineError):
    """A basket, an opportunity or a paper position is not what it must be."""
