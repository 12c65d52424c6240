"""Bars: rollup of clean ticks over session windows, exact sums of bars, and what readers ask of them."""
