"""Dagster assets, one module a stage of the lifecycle. Thin: read, call tickline, publish, report."""
