"""The answer over HTTP to one question: how long might this stay be, and why.

It stands on ``models`` and ``feature_store`` and never sees ``training``.
"""
