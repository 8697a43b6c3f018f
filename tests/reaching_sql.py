"""SQL that reaches for what is outside of a store, and what says that it may not."""

OUTSIDE = [
    ("SELECT * FROM read_csv('/etc/passwd')", "reads files"),
    ("SELECT * FROM '/etc/passwd.csv'", "disabled"),
    ("SELECT * FROM 'https://example.org/a.parquet'", "disabled"),
    ("SELECT getenv('HOME')", "getenv"),
    ("COPY pool TO '/tmp/pool.csv'", "only SELECT"),
    ("ATTACH '/tmp/other.db'", "only SELECT"),
    ("INSTALL httpfs", "only SELECT"),
    ("SET enable_external_access = true", "only SELECT"),
]
