"""Backtests told to people: a page, a comparison, a preview. Pure functions from what a run left to text.

Evidence says what a run left, measures and verdict what it comes to, thinning and figures draw it, markup and page
write it. Nothing here reads a clock, a lake or a network: the same evidence gives the same bytes.
"""
