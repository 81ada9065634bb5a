"""The names in an expression are found, and nothing else."""

import pytest

from observe.promql import family, names


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("up", {"up"}),
        ('sum by (service) (rate(a_total{x="b_total"}[5m])) > 0.5', {"a_total"}),
        ('a / on (id) group_left (name) b{c=~"d|e"} and max(f) or vector(0)', {"a", "b", "f"}),
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket[$__rate_interval])))", {"x_bucket"}),
        ('slo:sli_error:ratio_rate5m{a="b"} > 13.44 * 0.001', {"slo:sli_error:ratio_rate5m"}),
        ("(time() - max(x_seconds)) / 60", {"x_seconds"}),
        ("1e3 * a unless ignoring(b) c offset 5m", {"a", "c"}),
    ],
)
def test_names(expr: str, found: set[str]) -> None:
    assert names(expr) == found


def test_a_histogram_s_series_belong_to_it() -> None:
    assert family("x_seconds_bucket", {"x_seconds"}) == "x_seconds"
    assert family("things_count", {"x_seconds"}) == "things_count"
