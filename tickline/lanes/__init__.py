"""Lanes: families of structural opportunities in prediction markets, from the rule to the paper fill."""
