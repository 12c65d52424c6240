"""Processes that live long or face a person."""
