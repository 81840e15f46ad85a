"""The same model under servers of models, for ``benchmarks/http.py`` to press beside ours."""
