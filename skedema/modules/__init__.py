"""Building blocks in plain torch; they know nothing of tables, scans or estimators."""
