"""The firewall: which raw ticks are clean, which are refused and why, and where ticks are missing."""
