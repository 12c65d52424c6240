"""The graph, declared once: which partitions each stage makes, from which, by which function.

Dagster's assets, the command line's planner, lineage and rebuilds all read it here.
"""
