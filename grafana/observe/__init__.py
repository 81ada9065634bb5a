"""What is measured, alerted on and drawn: declared here once, everything else is generated from it and committed.

The metric catalogue (docs/metrics.md), recording and alert rules (infra/prometheus/rules), dashboards
(grafana/dashboards). `python -m observe generate` writes them, a test holds what is committed against it.
"""
