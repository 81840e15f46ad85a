"""Homeward beside its peers, measured: one module a table, each runnable by itself.

``python -m benchmarks`` runs them all, ``python -m benchmarks.real_data`` one. What the figures
are, and are not, is in docs/benchmarks.md.
"""
