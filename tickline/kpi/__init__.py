"""Measures with one definition each, and how to reach the marts that hold them."""
