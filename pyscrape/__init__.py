"""A Prometheus-compatible scraper, relabel engine and query server in pure Python.

From the command line it is `pyscrape run`, `pyscrape check` and others (`pyscrape --help`, `pyscrape help TOPIC`).
As a library it is these modules, each with a `help()` of its own; whatever else there is may change without notice:

    pyscrape.relabel               load_relabel_configs, relabel, explain: relabel rules, and why they do what they do
    pyscrape.config                load_config, parse_config, check_text: prometheus.yml, and all that is wrong with it
    pyscrape.exposition            parse, PageReader: pages of metrics, once or scrape after scrape
    pyscrape.targets               populate_labels: the labels of a discovered target
    pyscrape.discovery.kubernetes  target_groups: what discovery makes of objects of a cluster
    pyscrape.store                 Store: samples in memory or on disk
    pyscrape.promql                Engine, parse_expr: queries over a store
    pyscrape.model.regex           compile_re2: regular expressions as Go understands them
    pyscrape.model.duration        parse_duration, format_duration: `1h30m` and milliseconds

>>> from pyscrape.relabel import load_relabel_configs, relabel
>>> rules = load_relabel_configs("- {source_labels: [app], target_label: service}")
>>> relabel({"app": "shop"}, rules)
{'app': 'shop', 'service': 'shop'}
"""

__version__ = "0.1.0"
