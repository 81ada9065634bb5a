"""What is asked for: settings as typed, refusals that name the mistake, and what is remembered of it."""

import pytest

from native import plan as plans
from native.errors import StackError
from native.layout import Layout
from native.plan import Plan, parse_settings, traced


def test_settings_are_read_as_typed() -> None:
    typed = ["order.QS_ORDER_TTL_SECONDS=5", "payment.QS_PROVIDER_URL=http://a/?b=c", "order.QS_LOG_LEVEL=debug"]
    assert parse_settings(typed) == {
        "order": {"QS_ORDER_TTL_SECONDS": "5", "QS_LOG_LEVEL": "debug"},
        "payment": {"QS_PROVIDER_URL": "http://a/?b=c"},
    }


def test_every_service_is_told_where_traces_go_unless_it_was_told_otherwise() -> None:
    told = {"order": {"QS_A": "1"}, "payment": {"QS_OTLP_ENDPOINT": ""}, "provider": {"QS_B": "2"}}
    assert traced(told, "http://a:1") == {
        "order": {"QS_A": "1", "QS_OTLP_ENDPOINT": "http://a:1"},
        "payment": {"QS_OTLP_ENDPOINT": ""},
        "notification": {"QS_OTLP_ENDPOINT": "http://a:1"},
        "provider": {"QS_B": "2"},
    }
    assert traced(told, None) == traced(told, "") == told


@pytest.mark.parametrize("text", ["order", "order.QS_X", "QS_X=1", "order.=1"])
def test_a_setting_that_cannot_be_read_is_shown(text: str) -> None:
    with pytest.raises(StackError, match=r"write it as order\.QS_ORDER_TTL_SECONDS=5"):
        parse_settings([text])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"redis": {"QS_A": "1"}}, "nothing called 'redis' takes settings"),
        ({"order": {"PATH": "/"}}, "order.PATH is no setting"),
        ({"order": {"QS_A": 'a"b'}}, "order.QS_A holds a quote"),
    ],
)
def test_settings_that_cannot_be_passed_on_are_refused(settings: plans.Settings, complaint: str) -> None:
    with pytest.raises(StackError, match=complaint):
        Plan(settings=settings)


@pytest.mark.parametrize("replicas", [0, 6])
def test_impossible_replicas_are_refused(replicas: int) -> None:
    with pytest.raises(StackError, match=f"{replicas} replicas cannot be"):
        Plan(replicas=replicas)


def test_a_plan_is_remembered_as_it_was(layout: Layout) -> None:
    layout.root.mkdir()
    plan = Plan(base_port=9000, replicas=2, settings={"order": {"QS_ORDER_TTL_SECONDS": "5"}})
    plan.write(layout, complete=True)
    assert plans.read(layout) == plan
    assert plans.is_complete(layout)


def test_an_up_that_was_broken_off_is_not_complete(layout: Layout) -> None:
    layout.root.mkdir()
    Plan().write(layout, complete=False)
    assert not plans.is_complete(layout)


def test_a_stack_that_never_was_has_no_plan(layout: Layout) -> None:
    assert plans.read(layout) is None


def test_a_damaged_plan_is_named(layout: Layout) -> None:
    layout.root.mkdir()
    (layout.root / "stack.json").write_text("{")
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        plans.read(layout)
