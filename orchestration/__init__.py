"""Partitions and resources (the ground floor); jobs, schedules and definitions (the roof)."""
