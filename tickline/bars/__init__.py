"""Bars: session-aligned rollup of clean ticks, exact combination into longer timeframes, and what readers ask of them."""
