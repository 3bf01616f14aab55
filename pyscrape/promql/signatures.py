"""The functions of PromQL by their signatures: what the parser checks and the engine implements.

One row a function. The variadic count is Prometheus': 0 takes exactly the listed arguments; n > 0 makes the
last one optional and repeatable up to n times; -1 makes it optional and repeatable without limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class ValueType(Enum):
    """Types of expressions, by their name in Prometheus' API."""

    NONE = "none"
    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"

    @property
    def documented(self) -> str:
        """The name that error texts use."""
        return _DOCUMENTED.get(self, self.value)


_DOCUMENTED = {ValueType.VECTOR: "instant vector", ValueType.MATRIX: "range vector"}


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name, types, variadic count, and whether a feature flag guards it."""

    name: str
    arg_types: tuple[ValueType, ...]
    variadic: int
    return_type: ValueType
    experimental: bool = False


_TYPES = {"S": ValueType.SCALAR, "V": ValueType.VECTOR, "M": ValueType.MATRIX, "T": ValueType.STRING}
_EXPERIMENTAL = True


def _rows(
    names: str, args: str, returns: str, variadic: int = 0, experimental: bool = False
) -> list[Signature]:
    arg_types = tuple(_TYPES[letter] for letter in args)
    return [Signature(name, arg_types, variadic, _TYPES[returns], experimental) for name in names.split()]


_TABLE: tuple[list[Signature], ...] = (
    _rows("abs ceil floor exp ln log2 log10 sqrt sgn deg rad", "V", "V"),
    _rows("sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh", "V", "V"),
    _rows("round", "VS", "V", variadic=1),
    _rows("clamp", "VSS", "V"),
    _rows("clamp_min clamp_max", "VS", "V"),
    _rows("pi time", "", "S"),
    _rows("minute hour day_of_week day_of_month day_of_year days_in_month month year", "V", "V", variadic=1),
    _rows("timestamp absent sort sort_desc", "V", "V"),
    _rows("scalar", "V", "S"),
    _rows("vector", "S", "V"),
    _rows("sort_by_label sort_by_label_desc", "VT", "V", variadic=-1, experimental=_EXPERIMENTAL),
    _rows("label_replace", "VTTTT", "V"),
    _rows("label_join", "VTTT", "V", variadic=-1),
    _rows("info", "VV", "V", variadic=1, experimental=_EXPERIMENTAL),
    _rows("rate increase delta irate idelta deriv changes resets", "M", "V"),
    _rows("predict_linear", "MS", "V"),
    _rows("double_exponential_smoothing", "MSS", "V", experimental=_EXPERIMENTAL),
    _rows("avg_over_time min_over_time max_over_time sum_over_time count_over_time", "M", "V"),
    _rows("stddev_over_time stdvar_over_time last_over_time first_over_time", "M", "V"),
    _rows("present_over_time absent_over_time", "M", "V"),
    _rows("mad_over_time", "M", "V", experimental=_EXPERIMENTAL),
    _rows("ts_of_min_over_time ts_of_max_over_time", "M", "V", experimental=_EXPERIMENTAL),
    _rows("ts_of_first_over_time ts_of_last_over_time", "M", "V", experimental=_EXPERIMENTAL),
    _rows("quantile_over_time", "SM", "V"),
    _rows("histogram_quantile", "SV", "V"),
    _rows("histogram_fraction", "SSV", "V"),
    _rows("histogram_count histogram_sum histogram_avg histogram_stddev histogram_stdvar", "V", "V"),
    _rows("histogram_quantiles", "VTSS", "V", variadic=9, experimental=_EXPERIMENTAL),
    _rows("start end step range", "", "S", experimental=_EXPERIMENTAL),
    _rows("max_of min_of", "SS", "S", experimental=_EXPERIMENTAL),
    _rows("start_timestamp", "V", "V", experimental=_EXPERIMENTAL),
)

FUNCTIONS: Mapping[str, Signature] = {row.name: row for rows in _TABLE for row in rows}
