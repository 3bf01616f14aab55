"""Queries for a comparison with a running Prometheus: the compliance templates expanded, and our own."""

import itertools
import os
import re
from pathlib import Path

import yaml

VARIANTS: dict[str, tuple[str, ...]] = {
    "range": ("1s", "15s", "1m", "5m", "15m", "1h"),
    "offset": ("1m", "5m", "10m"),
    "simpleAggrOp": ("sum", "avg", "max", "min", "count", "stddev", "stdvar"),
    "simpleTimeAggrOp": (
        "sum",
        "avg",
        "max",
        "min",
        "count",
        "stddev",
        "stdvar",
        "absent",
        "last",
        "present",
    ),
    "topBottomOp": ("topk", "bottomk"),
    "quantile": ("-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"),
    "binOp": ("+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="),
    "arithBinOp": ("+", "-", "*", "/", "%", "^"),
    "compBinOp": ("==", "!=", "<", ">", "<=", ">="),
    "simpleMathFunc": (
        "abs",
        "ceil",
        "floor",
        "exp",
        "sqrt",
        "ln",
        "log2",
        "log10",
        "round",
        "sgn",
        "deg",
        "rad",
    ),
    "extrapolatedRateFunc": ("delta", "rate", "increase"),
    "clampFunc": ("clamp_min", "clamp_max"),
    "instantRateFunc": ("idelta", "irate"),
    "dateFunc": ("day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"),
}
_SLOT = re.compile(r"\{\{\.(\w+)\}\}")


def expanded(template: str) -> list[str]:
    """A template with every combination of its variants."""
    slots = sorted(set(_SLOT.findall(template)))
    combinations = itertools.product(*(VARIANTS[slot] for slot in slots))
    return [_filled(template, dict(zip(slots, values, strict=True))) for values in combinations]


def _filled(template: str, values: dict[str, str]) -> str:
    return _SLOT.sub(lambda match: values[match[1]], template)


def templates() -> list[str]:
    """The templates of the compliance project; empty where the corpus is absent."""
    default = Path(__file__).parents[2].parent / "shared" / "conformance"
    path = Path(os.environ.get("PYSCRAPE_CONFORMANCE", default)) / "promql" / "compliance_queries.yml"
    if not path.exists():
        return []
    return [case["query"] for case in yaml.safe_load(path.read_text())["test_cases"]]


OWN = """
sum(demo_odd_values)
avg by (kind) (demo_odd_values)
stddev(demo_odd_values{kind="cancelling"})
{{.simpleTimeAggrOp}}_over_time(demo_odd_values[{{.range}}])
{{.simpleTimeAggrOp}}_over_time(demo_intermittent_metric[{{.range}}])
{{.extrapolatedRateFunc}}(demo_items_shipped_total[{{.range}}])
{{.extrapolatedRateFunc}}(demo_odd_values[{{.range}}])
{{.instantRateFunc}}(demo_items_shipped_total[{{.range}}] offset {{.offset}})
resets(demo_items_shipped_total[{{.range}}])
changes(demo_odd_values[{{.range}}])
deriv(demo_odd_values[{{.range}}])
quantile_over_time(0.3, demo_odd_values[{{.range}}])
mad_over_time(demo_memory_usage_bytes[{{.range}}])
double_exponential_smoothing(demo_disk_usage_bytes[{{.range}}], 0.3, 0.6)
ts_of_max_over_time(demo_memory_usage_bytes[{{.range}}])
ts_of_min_over_time(demo_memory_usage_bytes[{{.range}}])
ts_of_last_over_time(demo_memory_usage_bytes[{{.range}}])
demo_intermittent_metric or demo_num_cpus
demo_memory_usage_bytes and on (instance) demo_intermittent_metric
demo_memory_usage_bytes unless on (instance) demo_intermittent_metric
demo_memory_usage_bytes * on (instance) group_left demo_intermittent_metric
demo_memory_usage_bytes / ignoring (type) group_left demo_num_cpus
demo_memory_usage_bytes / demo_num_cpus
demo_num_cpus / ignoring (type) demo_memory_usage_bytes
demo_memory_usage_bytes > on (instance) group_left () demo_disk_usage_bytes
demo_memory_usage_bytes > ignoring (type) demo_disk_usage_bytes
demo_num_cpus == on (job) demo_num_cpus
demo_memory_usage_bytes @ 1700001000
demo_memory_usage_bytes @ start()
rate(demo_cpu_usage_seconds_total[5m] @ end())
rate(demo_cpu_usage_seconds_total[5m] @ end() offset 10m)
sum_over_time(demo_num_cpus[10m:1m] @ 1700002000)
demo_num_cpus + demo_num_cpus @ 1700001000
predict_linear(demo_disk_usage_bytes[10m] @ 1700003000, 60)
timestamp(demo_num_cpus @ 1700001000)
timestamp(demo_num_cpus offset 7m)
max_over_time(rate(demo_cpu_usage_seconds_total[1m])[10m:])
min_over_time((demo_num_cpus * time())[5m:13s])
count_over_time(demo_intermittent_metric[10m:7s])
sum_over_time(sum(demo_num_cpus)[10m:1m] offset 3m)
avg_over_time(max_over_time(demo_num_cpus[1m:10s])[5m:30s])
rate(sum(demo_items_shipped_total)[5m:10s])
absent(demo_intermittent_metric)
absent(demo_nope{a="b",c=~"d",e="f",e="g"})
absent(sum(demo_nope{a="b"}))
absent_over_time(demo_intermittent_metric{instance="demo.promlabs.com:10000"}[{{.range}}])
absent_over_time(demo_nope{a="b"}[5m])
scalar(demo_num_cpus)
scalar(sum(demo_num_cpus))
scalar(demo_nope)
vector(scalar(sum(demo_odd_values)))
count_values("v", demo_odd_values)
count_values by (job) ("instance", demo_num_cpus)
count_values without (kind) ("v", demo_odd_values)
topk(scalar(count(demo_intermittent_metric)), demo_memory_usage_bytes)
topk(2, demo_odd_values)
bottomk by (kind) (2, demo_odd_values)
topk(0, demo_num_cpus)
topk(-1, demo_num_cpus)
topk(1e20, demo_num_cpus)
topk(NaN, demo_num_cpus)
quantile by (kind) (0.4, demo_odd_values)
quantile(NaN, demo_num_cpus)
quantile(scalar(sum(demo_is_holiday)) / 2, demo_memory_usage_bytes)
limitk(2, demo_memory_usage_bytes)
limitk by (type) (1, demo_memory_usage_bytes)
limit_ratio(0.5, demo_memory_usage_bytes)
limit_ratio(-0.5, demo_memory_usage_bytes)
limit_ratio(1.1, demo_memory_usage_bytes)
group by (type) (demo_memory_usage_bytes)
sort(demo_memory_usage_bytes)
sort_desc(demo_odd_values)
sort_by_label(demo_memory_usage_bytes, "type", "instance")
sort_by_label_desc(demo_memory_usage_bytes, "instance")
sum by (__name__) ({__name__=~"demo_.*bytes"})
count({job="demo"})
count by (__name__) ({job="demo"})
{__name__=~"demo_.*_bytes"} * 2
rate({__name__=~"demo_cpu_usage_seconds_total|demo_items_shipped_total"}[1m])
-{__name__=~"demo_num_cpus|demo_is_holiday"}
abs({__name__=~"demo_num_cpus|demo_is_holiday"})
last_over_time({__name__=~"demo_num_cpus|demo_is_holiday"}[1m])
sum_over_time({__name__=~"demo_num_cpus|demo_is_holiday"}[1m])
label_replace(demo_num_cpus, "__name__", "other", "instance", "(.*)")
label_join(demo_num_cpus, "__name__", "_", "job", "instance")
label_replace(demo_num_cpus, "a", "$2-$1-${x}-$$", "instance", "(?P<x>[a-z]+)\\\\.(.*)")
label_replace(demo_num_cpus, "job", "x", "instance", ".*0")
round(demo_disk_usage_bytes, 1e6)
round(demo_odd_values, 0.1)
clamp(demo_odd_values, -5, 5)
clamp_min(demo_odd_values, NaN)
clamp(demo_odd_values, 5, -5)
clamp_max(demo_memory_usage_bytes, scalar(sum(demo_num_cpus)) * 1e8)
sgn(demo_odd_values)
{{.simpleMathFunc}}(demo_odd_values)
{{.dateFunc}}(vector(1709164800))
{{.dateFunc}}(demo_disk_usage_bytes / 100)
{{.dateFunc}}(vector(-1))
day_of_year(vector(1709164800))
sin(demo_odd_values)
atanh(demo_is_holiday)
acos(demo_num_cpus)
demo_odd_values {{.binOp}} demo_odd_values
demo_odd_values {{.binOp}} 0
demo_odd_values atan2 demo_num_cpus
demo_odd_values {{.compBinOp}} bool on (instance, kind) demo_odd_values
demo_num_cpus {{.compBinOp}} bool ignoring (a) demo_is_holiday
0 / 0
1 / 0
-1 % 0
-7 % 3
7.5 % -2
(-8) ^ 0.5
2 ^ 3 ^ 2
pi() * 2
"a string"
demo_num_cpus[30s]
demo_intermittent_metric[2m] offset 1m
demo_num_cpus[1m:20s]
histogram_quantile({{.quantile}}, sum by (le) (rate(demo_api_request_duration_seconds_bucket[5m])))
histogram_quantile({{.quantile}}, sum by (le, path) (demo_api_request_duration_seconds_bucket))
histogram_quantile(0.9, demo_api_request_duration_seconds_bucket{le!="+Inf"})
histogram_quantile(0.9, demo_api_request_duration_seconds_bucket{le=~"0.1|.Inf"})
histogram_quantile(0.9, demo_api_request_duration_seconds_bucket{le="+Inf"})
histogram_quantile(0.5, -demo_api_request_duration_seconds_bucket)
histogram_quantile(0.5, label_replace(demo_num_cpus, "le", "x", "", ""))
histogram_quantile(0.5, label_replace(demo_api_request_duration_seconds_bucket, "le", "0.0100", "le", "0.01"))
histogram_quantile(0.5, demo_api_request_duration_seconds_bucket % 1000)
histogram_fraction(0.001, 0.1, rate(demo_api_request_duration_seconds_bucket[5m]))
histogram_fraction(-Inf, 0.0003, demo_api_request_duration_seconds_bucket)
histogram_fraction(0.1, 0.01, demo_api_request_duration_seconds_bucket)
histogram_fraction(NaN, 0.01, demo_api_request_duration_seconds_bucket)
histogram_count(demo_num_cpus)
histogram_avg(demo_num_cpus)
info(demo_num_cpus)
demo_num_cpus offset -5m
rate(demo_cpu_usage_seconds_total[5m] offset -5m)
sum without (instance) (demo_num_cpus) + on () group_right sum by (type) (demo_memory_usage_bytes)
sum(demo_num_cpus) by (instance) * on (instance) group_left (type) demo_memory_usage_bytes
demo_memory_usage_bytes * on (instance) group_left (type) demo_num_cpus
demo_memory_usage_bytes * on (job) group_left demo_num_cpus
demo_num_cpus * on (job) group_right () demo_num_cpus
demo_memory_usage_bytes * on (instance) group_right () demo_num_cpus
(demo_memory_usage_bytes > 2e9) or (demo_memory_usage_bytes < 1e9) or vector(1)
vector(1) or demo_nope
vector(1) and demo_nope
demo_nope + 1
demo_nope or demo_num_cpus
max by (instance) (demo_memory_usage_bytes) - min by (instance) (demo_memory_usage_bytes)
sum(rate(demo_items_shipped_total[5m])) / on () sum(rate(demo_api_request_duration_seconds_count[5m]))
rate(demo_memory_usage_bytes[5m])
increase(demo_num_cpus[5m])
count_values without (instance) ("instance", demo_num_cpus)
count_values by (job) ("job", demo_num_cpus)
absent(demo_nope{a="1",b!="2",b="3"})
topk(-Inf, demo_num_cpus)
limit_ratio(2, limit_ratio(3, demo_num_cpus))
limit_ratio((time() - 1700002000) / 500, demo_num_cpus)
quantile((1 + 2), demo_num_cpus)
rate((demo_num_cpus[5m]))
rate(demo_num_cpus[5m]) + rate(demo_num_cpus[5m])
rate(demo_num_cpus{job="demo"}[5m]) + rate(demo_num_cpus[5m])
histogram_quantile((2), (demo_api_request_duration_seconds_bucket))
histogram_fraction(0.001, 0.1, demo_api_request_duration_seconds_bucket % 1000)
rate(demo_num_cpus[5m - 5m])
demo_num_cpus offset (1m / (1 - 1))
demo_num_cpus offset --1m
"""


NAMES = """
label_replace(rate(demo_items_shipped_total[5m]), "__name__", "rate_$1", "__name__", "(.+)")
sum by (__name__) (rate({__name__=~"demo_.*_total"}[5m]))
sum by (__name__, instance) (-{__name__=~"demo_num_cpus|demo_is_holiday"})
topk(10, sum by (__name__, instance) (rate(demo_items_shipped_total[5m])))
count_values by (__name__) ("v", -demo_num_cpus)
-demo_num_cpus or -demo_is_holiday
-{__name__=~"demo_num_cpus|demo_is_holiday"}
max by (__name__) (abs({__name__=~"demo_num_cpus|demo_is_holiday"}))
label_join(abs({__name__=~"demo_num_cpus|demo_is_holiday"}), "__name__", "_", "__name__", "job")
label_replace(demo_num_cpus + demo_is_holiday, "a", "$1", "__name__", "(.*)")
label_replace(demo_num_cpus > bool 1, "a", "$1", "__name__", "(.*)")
label_replace(demo_num_cpus > bool on (instance) demo_is_holiday, "a", "$1", "__name__", "(.*)")
label_replace(abs(demo_num_cpus) > on (instance) demo_is_holiday, "a", "$1", "__name__", "(.*)")
abs(demo_num_cpus) > on (instance) group_left () demo_is_holiday
abs(demo_num_cpus) > ignoring (a) demo_is_holiday
abs(demo_num_cpus) and demo_is_holiday
last_over_time(abs(demo_num_cpus)[5m:1m])
sum_over_time(abs(demo_num_cpus)[5m:1m])
max_over_time(demo_num_cpus[5m]) * on (__name__, instance) demo_num_cpus
label_replace(histogram_quantile(0.5, demo_api_request_duration_seconds_bucket), "n", "$1", "__name__", "(.*)")
quantile by (__name__) (0.5, abs(demo_num_cpus))
info(abs(demo_num_cpus))
abs({__name__=~"demo_num_cpus|demo_is_holiday"}[5m:1m])
label_replace({__name__=~"demo_num_cpus|demo_is_holiday"}, "__name__", "same", "", "")
label_replace(abs({__name__=~"demo_num_cpus|demo_is_holiday"}), "x", "y", "", "")
abs(demo_num_cpus)[1m:30s]
"""


def names() -> list[str]:
    """Queries in which it matters when metric names go, a line each."""
    return NAMES.strip().splitlines()


def own() -> list[str]:
    """Our own templates, a line each."""
    return [line for line in OWN.strip().splitlines() if line]
