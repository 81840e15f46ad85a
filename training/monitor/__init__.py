"""After go-live: do the scores still come true, does the data still arrive, for whom not.

Columns of the record and events of the live store in, findings out; no database, no MLflow.
"""
