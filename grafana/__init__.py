"""Dashboards for Grafana: written as Python in `source`, generated into `dashboards`, handed over by `provisioning`."""
