"""As-of window features by four engines: the same definitions, the same events, equal results.

Each engine has ``from_disk(folder)``, Parquet to matrix, and ``in_memory(folder)``, which loads
what it needs and returns a function from nothing to matrix.
"""
