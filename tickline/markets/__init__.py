"""Prediction markets: what venues list, which of it is one question on two venues, and what it costs to trade."""
