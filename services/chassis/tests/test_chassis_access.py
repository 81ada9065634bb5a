"""What keeps a service from the broker is told in one sentence that says what to do."""

import pytest
from chassis_broker import Broker
from chassis_kit import SettingsOf

import chassis.broker
from chassis.broker import EXCHANGE, NoBrokerError, Publisher, TopologyError, connect


async def test_a_wrong_password_is_told_at_once(settings: SettingsOf, broker: Broker) -> None:
    with pytest.raises(NoBrokerError, match=r"refuses user .* is the password in 'broker_password' right"):
        await connect(settings(broker_password="wrong"), broker.name, "consume")


async def test_a_vhost_that_is_not_there_or_not_ours_is_named(settings: SettingsOf, broker: Broker) -> None:
    for vhost in ("no-such-vhost", "orders"):
        with pytest.raises(NoBrokerError, match=f"no vhost '{vhost}' .*apply the topology|refuses user"):
            await connect(settings(), vhost, "consume")


async def test_a_broker_that_is_not_there_is_waited_for_a_while_and_then_named(
    settings: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.broker, "START_SECONDS", 0.2)
    with pytest.raises(NoBrokerError, match=r"broker 127\.0\.0\.1:9 "):
        await connect(settings(broker_port=9), "somewhere", "consume")


async def test_a_missing_exchange_is_named(settings: SettingsOf, broker: Broker) -> None:
    await broker.channel.exchange_delete(EXCHANGE)
    publisher = Publisher(settings(), broker.name)
    try:
        with pytest.raises(TopologyError, match=f"exchange '{EXCHANGE}' is missing in vhost .*: apply the topology"):
            await publisher.open()
    finally:
        await broker.channel.declare_exchange(EXCHANGE, "topic", durable=True)


async def test_a_publisher_knows_whether_it_is_connected(settings: SettingsOf, broker: Broker) -> None:
    publisher = Publisher(settings(), broker.name)
    seen = [publisher.connected]
    await publisher.open()
    seen.append(publisher.connected)
    await publisher.close()
    assert seen == [False, True]
