"""A Prometheus-compatible scraper, relabel engine and query server in pure Python.

The package is read from the command line (`pyscrape run`, `pyscrape check`) or as a library, whose
entrances are `pyscrape.relabel`, `pyscrape.config`, `pyscrape.exposition`, `pyscrape.targets`,
`pyscrape.discovery.kubernetes`, `pyscrape.store` and `pyscrape.promql`.
"""

__version__ = "0.1.0"
