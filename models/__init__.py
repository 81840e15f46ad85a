"""What a length-of-stay model is: fit, calibrated, explained, judged, described and saved.

A room of code, never a store of fitted models: bundles live in the registry or under ``var/``.
It stands on ``feature_store`` alone.
"""
