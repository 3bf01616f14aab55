"""What is odd about a page that parses: the findings of `promtool check metrics`, and some it does not have.

Rules look at one family at a time and are listed in RULES; a new rule is one function and one row. Findings on
conventions carry Prometheus' words.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pyscrape.exposition.entries import Entry, Help, MetricType, Series, Type
from pyscrape.exposition.negotiation import Format, choose_parser
from pyscrape.exposition.plain import GRAMMARS
from pyscrape.exposition.series import DuplicateLabelError
from pyscrape.model.labels import BUCKET_LABEL, METRIC_NAME, QUANTILE_LABEL


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one metric; `line` counts from 1 and is where the metric first stands in the page."""

    id: str
    metric: str
    message: str
    line: int


@dataclass(slots=True)
class PageFamily:
    """What a page holds of one metric family."""

    name: str
    line: int
    form: Format
    type: MetricType | None = None
    help: str | None = None
    metric_names: set[str] = field(default_factory=set)
    label_names: set[str] = field(default_factory=set)
    bounds: set[str] = field(default_factory=set)
    repeated: list[int] = field(default_factory=list)
    type_lines: list[int] = field(default_factory=list)
    first_sample: int = 0


_SUFFIXES: dict[MetricType, tuple[str, ...]] = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count", "_created"),
    "info": ("_info",),
}

_BASE_UNITS = {
    **{
        unit: unit
        for unit in (
            "amperes",
            "bytes",
            "celsius",
            "grams",
            "joules",
            "kelvin",
            "meters",
            "metres",
            "seconds",
            "volts",
        )
    },
    **dict.fromkeys(("minutes", "hours", "days", "weeks"), "seconds"),
    "kelvins": "kelvin",
    **dict.fromkeys(("fahrenheit", "rankine"), "celsius"),
    **dict.fromkeys(("inches", "yards", "miles"), "meters"),
    "bits": "bytes",
    "calories": "joules",
    **dict.fromkeys(("pounds", "ounces"), "grams"),
}
_PREFIXES = (
    *("pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi"),
    *("giga", "gibi", "tera", "tebi", "peta", "pebi"),
)
_ABBREVIATED = re.compile(r"_(?:s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?:_|$)")
_CAMEL_CASE = re.compile(r"[a-z][A-Z]")

Rule = Callable[[PageFamily], Iterator[str]]


def units_of(name: str) -> list[tuple[str, str]]:
    """The units in a metric's name with their base units.

    >>> units_of("request_duration_milliseconds")
    [('milliseconds', 'seconds')]
    """
    found = []
    for word in name.split("_"):
        plain = word
        if word not in _BASE_UNITS:
            prefix = next((p for p in _PREFIXES if word.startswith(p) and word[len(p) :] in _BASE_UNITS), "")
            plain = word[len(prefix) :]
        if plain in _BASE_UNITS:
            found.append((word, _BASE_UNITS[plain]))
    return found


def _no_help(family: PageFamily) -> Iterator[str]:
    if not family.help:
        yield "no help text"


def _no_type(family: PageFamily) -> Iterator[str]:
    if family.type is None:
        yield "no type"


def _type_place(family: PageFamily) -> Iterator[str]:
    if len(family.type_lines) > 1:
        yield f"second TYPE line in line {family.type_lines[1]}"
    if family.type_lines and family.first_sample and family.type_lines[0] > family.first_sample:
        yield f"TYPE in line {family.type_lines[0]} reported after samples"


def _counter(family: PageFamily) -> Iterator[str]:
    # An OpenMetrics family is named without the suffix that its samples have.
    names = family.metric_names if family.form == "openmetrics" else {family.name}
    if family.type == "counter" and not all(name.endswith(("_total", "_created")) for name in names):
        yield 'counter metrics should have "_total" suffix'


def _base_unit(family: PageFamily) -> Iterator[str]:
    units = units_of(family.name)
    if units and units[0][0] != units[0][1]:
        yield f'use base unit "{units[0][1]}" instead of "{units[0][0]}"'


def _mixed_units(family: PageFamily) -> Iterator[str]:
    units = units_of(family.name)
    for word, base in units[1:]:
        if base == units[0][1] and word != units[0][0]:
            yield f'mixed units "{units[0][0]}" and "{word}"'


def _abbreviated(family: PageFamily) -> Iterator[str]:
    if _ABBREVIATED.search(family.name.lower()):
        yield "metric names should not contain abbreviated units"


def _reserved(family: PageFamily) -> Iterator[str]:
    if family.type in (None, "unknown"):
        return
    histogram = family.type in ("histogram", "gaugehistogram")
    counted = histogram or family.type == "summary"
    if not histogram and family.name.endswith("_bucket"):
        yield 'non-histogram metrics should not have "_bucket" suffix'
    for suffix in ("_count", "_sum"):
        if not counted and family.name.endswith(suffix):
            yield f'non-histogram and non-summary metrics should not have "{suffix}" suffix'
    if not histogram and BUCKET_LABEL in family.label_names:
        yield 'non-histogram metrics should not have "le" label'
    if family.type != "summary" and QUANTILE_LABEL in family.label_names:
        yield 'non-summary metrics should not have "quantile" label'


def _type_in_name(family: PageFamily) -> Iterator[str]:
    if family.type not in (None, "unknown") and f"_{family.type}_" in f"{family.name.lower()}_":
        yield f"metric name should not include type '{family.type}'"


def _colon(family: PageFamily) -> Iterator[str]:
    if ":" in family.name:
        yield "metric names should not contain ':'"


def _camel_case(family: PageFamily) -> Iterator[str]:
    if _CAMEL_CASE.search(family.name):
        yield "metric names should be written in 'snake_case' not 'camelCase'"
    if any(_CAMEL_CASE.search(name) for name in family.label_names):
        yield "label names should be written in 'snake_case' not 'camelCase'"


def _no_last_bucket(family: PageFamily) -> Iterator[str]:
    if family.type == "histogram" and family.bounds and "+Inf" not in family.bounds:
        yield 'histogram has no bucket with le="+Inf"'


def _duplicate(family: PageFamily) -> Iterator[str]:
    if family.repeated:
        more = f" and {len(family.repeated) - 1} more" if len(family.repeated) > 1 else ""
        yield f"metric not unique: the series in line {family.repeated[0]}{more} stood before"


RULES: dict[str, Rule] = {
    "no-help": _no_help,
    "no-type": _no_type,
    "type-place": _type_place,
    "counter-total": _counter,
    "base-unit": _base_unit,
    "mixed-units": _mixed_units,
    "abbreviated-unit": _abbreviated,
    "reserved-name": _reserved,
    "type-in-name": _type_in_name,
    "colon": _colon,
    "camel-case": _camel_case,
    "no-last-bucket": _no_last_bucket,
    "duplicate-series": _duplicate,
}


def lint_page(body: bytes, content_type: str = "text/plain; version=0.0.4") -> list[Finding]:
    """The findings on a page, by metric. Raises ParseError or ContentTypeError where it cannot be read.

    >>> [(f.metric, f.message) for f in lint_page(b"# HELP a x\\n# TYPE a counter\\na 1\\n")]
    [('a', 'counter metrics should have "_total" suffix')]
    """
    form = choose_parser(content_type).text_format()
    families = page_families(_with_lines(body, form), form)
    found = [
        Finding(rule_id, family.name, message, family.line)
        for family in families
        for rule_id, rule in RULES.items()
        for message in rule(family)
    ]
    return sorted(found, key=lambda finding: (finding.metric, finding.message))


def _with_lines(body: bytes, form: Format) -> Iterator[tuple[int, Entry]]:
    """Entries with the numbers of their lines."""
    grammar = GRAMMARS[form](body)
    line, counted = 1, 0
    while (entry := grammar.next_entry()) is not None:
        line += body.count(b"\n", counted, grammar.entry_start)
        counted = grammar.entry_start
        yield line, entry


def page_families(entries: Iterable[tuple[int, Entry]], form: Format) -> list[PageFamily]:
    """Gather a page's entries, each with its line, into families, in the order of the page."""
    families: dict[str, PageFamily] = {}
    seen: set[frozenset[tuple[str, str]]] = set()
    for line, entry in entries:
        match entry:
            case Type():
                family = families.setdefault(entry.metric, PageFamily(entry.metric, line, form))
                family.type = entry.type
                family.type_lines.append(line)
            case Help():
                families.setdefault(entry.metric, PageFamily(entry.metric, line, form)).help = entry.help
            case Series():
                _take_sample(families, seen, line, entry, form)
    return list(families.values())


def _take_sample(
    families: dict[str, PageFamily],
    seen: set[frozenset[tuple[str, str]]],
    line: int,
    entry: Series,
    form: Format,
) -> None:
    try:
        labels = entry.labels
    except DuplicateLabelError:
        return  # it fails the scrape itself, which is said elsewhere
    name = labels[METRIC_NAME]
    family_name = _family_of(name, families)
    family = families.setdefault(family_name, PageFamily(family_name, line, form))
    family.first_sample = family.first_sample or line
    family.metric_names.add(name)
    family.label_names.update(label for label in labels if label != METRIC_NAME)
    if BUCKET_LABEL in labels:
        family.bounds.add(labels[BUCKET_LABEL])
    series = frozenset((label, value) for label, value in labels.items() if value)
    if series in seen and entry.timestamp_ms is None:
        family.repeated.append(line)
    seen.add(series)


def _family_of(name: str, families: dict[str, PageFamily]) -> str:
    """The typed family that a sample belongs to; without one it is a family of its own."""
    if name in families:
        return name
    stem, _, suffix = name.rpartition("_")
    family = families.get(stem)
    belongs = (
        family is not None and family.type is not None and f"_{suffix}" in _SUFFIXES.get(family.type, ())
    )
    return stem if belongs else name
