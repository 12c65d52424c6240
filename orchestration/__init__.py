"""Partitions and resources (the ground floor); jobs, schedules and definitions (the roof)."""

import warnings

import dagster as dg

# Partitioned checks and lenient partition mappings are marked preview and beta; both are used knowingly and tested.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
