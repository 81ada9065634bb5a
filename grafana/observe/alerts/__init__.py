"""Every alert, with the series that make it fire and those that leave it silent."""

from observe.alerts import data, messaging, resilience, saga, services
from observe.alerts.alert import Alert

ALERTS: tuple[Alert, ...] = (*saga.ALERTS, *services.ALERTS, *messaging.ALERTS, *resilience.ALERTS, *data.ALERTS)

__all__ = ["ALERTS", "Alert"]
