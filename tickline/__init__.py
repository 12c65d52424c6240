"""Tickline: market data from the first raw tick to the last fill, every number walkable back to its source."""
