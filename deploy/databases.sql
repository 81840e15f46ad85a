-- Run once, when the database is made: the tracking server's own, beside the service's.
CREATE DATABASE mlflow OWNER homeward;
