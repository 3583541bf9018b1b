"""Metrics, integrity rules, acceptance limits and alert states."""
