"""From an event dataset to a registered, calibrated, promoted model.

Splits, fits, evaluates, tracks and gates. It stands on ``models`` and ``feature_store`` and never
sees ``service``.
"""
