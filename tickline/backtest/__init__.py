"""Backtests: strategies run over recorded bars and ticks, and the statistics that keep them honest."""
