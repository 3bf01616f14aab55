"""What becomes of a sample's labels: the target's labels, metric relabeling, and the limits, once per series.

All of this runs when a series is born; while it stays on the page only its value moves.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyscrape.model.label_columns import LabelColumns
from pyscrape.model.labels import METRIC_NAME, Labels, format_labels
from pyscrape.model.names import ValidationScheme, quoted, valid_label_name, valid_metric_name
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.plans import Rules
from pyscrape.scrape.failure import ScrapeRefusedError

EXPORTED = "exported_"
# Names that are known to be valid are remembered up to this many.
_MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """Limits on the labels of a series, 0 = none; lengths in bytes."""

    labels: int = 0
    name_length: int = 0
    value_length: int = 0

    def check(self, labels: Mapping[str, str]) -> None:
        """Raise ScrapeRefusedError (`limit`) where a limit is exceeded, with Prometheus' text."""
        metric = labels.get(METRIC_NAME, "")[:50]
        if self.labels and len(labels) > self.labels:
            raise ScrapeRefusedError(
                "limit",
                f"label_limit exceeded (metric: {metric}, number of labels: {len(labels)}, limit: {self.labels})",
            )
        if not self.name_length and not self.value_length:
            return
        for name, value in sorted(labels.items()):
            size = len(name.encode("utf-8", "surrogateescape"))
            if self.name_length and size > self.name_length:
                raise ScrapeRefusedError(
                    "limit",
                    f"label_name_length_limit exceeded (metric: {metric}, label name: {name[:50]}, "
                    f"length: {size}, limit: {self.name_length})",
                )
            size = len(value.encode("utf-8", "surrogateescape"))
            if self.value_length and size > self.value_length:
                raise ScrapeRefusedError(
                    "limit",
                    f"label_value_length_limit exceeded (metric: {metric}, label name: {name[:50]}, "
                    f"value: {quoted(value[:50])}, length: {size}, limit: {self.value_length})",
                )


class SampleRules:
    """Exposed labels to stored labels, for one target.

    `honor_labels`: what the page says wins over the target's labels. `rules`: metric_relabel_configs, None = none.
    """

    __slots__ = (
        "_good_metrics",
        "_good_names",
        "_honor",
        "_limited",
        "_limits",
        "_rules",
        "_scheme",
        "_stored_target",
        "_target",
    )

    def __init__(
        self,
        target: Mapping[str, str],
        *,
        honor_labels: bool = False,
        rules: Rules | None = None,
        limits: LabelLimits | None = None,
        scheme: ValidationScheme = "utf8",
    ) -> None:
        self._target = target.mapping if isinstance(target, Labels) else dict(target)
        self._stored_target: Mapping[str, str] = self._target
        if "" in self._target.values():
            self._stored_target = {name: value for name, value in self._target.items() if value}
        self._honor = honor_labels
        self._rules = rules
        self._limits = limits or LabelLimits()
        self._limited = limits is not None and limits != LabelLimits()
        self._scheme: ValidationScheme = scheme
        self._good_names: set[str] = set()
        self._good_metrics: set[str] = set()

    @property
    def one_by_one(self) -> bool:
        """Whether every label set has to be looked at by itself."""
        return self._rules is not None or self._limited

    def apply(self, exposed: Mapping[str, str]) -> dict[str, str] | None:
        """The labels to store, without empty ones; None when relabeling drops the series.

        Raises ScrapeRefusedError for a series that makes the whole scrape fail.
        """
        if self._target.keys().isdisjoint(exposed):
            labels = {**exposed, **self._target}
        else:
            labels = honored(exposed, self._target) if self._honor else renamed(exposed, self._target)
        if self._rules is not None:
            try:
                relabeled = self._rules.apply(labels)
            except RelabelTimeout as error:
                raise ScrapeRefusedError("invalid_series", str(error)) from None
            if relabeled is None:
                return None
            labels = relabeled
        if "" in labels.values():
            labels = {name: value for name, value in labels.items() if value}
        if METRIC_NAME not in labels:
            if not labels:
                return None
            raise ScrapeRefusedError("invalid_series", "missing metric name (__name__ label)")
        self._check_names(labels)
        if self._limited:
            self._limits.check(labels)
        return labels

    def apply_by_name(self, exposed: LabelColumns) -> LabelColumns | None:
        """`apply` for label sets with the same names; None where they have to be taken one by one.

        That is where a rule or a limit looks at each of them, and where one is refused or loses a label.
        """
        if self.one_by_one or not self._target.keys().isdisjoint(exposed.names):
            return None
        metrics: Collection[str] = ()
        for name, values in zip(exposed.names, exposed.values, strict=True):
            if not values or (not isinstance(values, str) and "" in values):
                return None
            if name == METRIC_NAME:
                metrics = (values,) if isinstance(values, str) else set(values)
        names = (*exposed.names, *self._stored_target)
        if not metrics or not self._valid(names, metrics):
            return None
        return LabelColumns(names, (*exposed.values, *self._stored_target.values()), exposed.places)

    def _check_names(self, labels: Mapping[str, str]) -> None:
        if not self._valid(labels, (labels[METRIC_NAME],)):
            text = f"invalid metric name or label names: {format_labels(Labels(labels))}"
            raise ScrapeRefusedError("invalid_series", text)

    def _valid(self, names: Collection[str], metrics: Collection[str]) -> bool:
        """Whether all label names and metric names are valid; those that are will be known."""
        if self._good_metrics.issuperset(metrics) and self._good_names.issuperset(names):
            return True
        valid = all(valid_label_name(name, self._scheme) for name in names)
        if not valid or not all(valid_metric_name(metric, self._scheme) for metric in metrics):
            return False
        if len(self._good_metrics) < _MOST_NAMES and len(self._good_names) < _MOST_NAMES:
            self._good_metrics.update(metrics)
            self._good_names.update(names)
        return True


def honored(exposed: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """Labels where the page wins, even by an empty value, which removes the label.

    >>> honored({"instance": "", "a": "1"}, {"instance": "x", "job": "j"})
    {'instance': '', 'job': 'j', 'a': '1'}
    """
    return {**target, **exposed}


def renamed(exposed: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """Labels where the target wins: what it hides becomes `exported_<name>`, prefixed until the name is free.

    >>> renamed({"job": "own"}, {"job": "j"})
    {'job': 'j', 'exported_job': 'own'}
    """
    labels = {**exposed, **target}
    hidden = [(name, exposed[name]) for name in target if exposed.get(name)]
    for name, value in sorted(hidden, key=lambda pair: len(pair[0])):
        free = EXPORTED + name
        while labels.get(free):
            free = EXPORTED + free
        labels[free] = value
    return labels
