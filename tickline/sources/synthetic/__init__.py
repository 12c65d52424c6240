"""A universe of venues made from a seed: realistic ticks, and faults in them whose ground truth is known."""

from tickline.sources.synthetic.listings import SyntheticMarkets
from tickline.sources.synthetic.source import Synthetic

__all__ = ["Synthetic", "SyntheticMarkets"]
