"""What a page says where nothing is configured that it could show: which lines of which file would change that. Pure."""

from __future__ import annotations

from dashboard.markup import Markup, tag

STORAGE = """storage:
  - name: scratch
    kind: powerscale            # or ecs, objectscale
    url: https://10.0.3.1:8080  # 4443 for ECS
    credentials: storage
    design_read_bytes_per_second: 40e9
    design_write_bytes_per_second: 8e9
    nodes:
      - {name: scratch-1, rack: R01, max_watts: 900}
"""
FABRIC = """switches:
  - name: leaf-1
    model: PowerSwitch Z9432F-ON
    fabric: ethernet            # or infiniband
    rack: R01
    snmp: {address: 10.0.2.1, credentials: snmp}
links:
  - {node: gpu-01, device: mlx5_0, rail: 1, switch: leaf-1, port: ethernet1/1/1}
"""
STORAGE_CREDENTIALS = """credentials:
  storage:
    username: monitor
    password_file: /etc/wattstat/storage.password
"""
FABRIC_CREDENTIALS = """credentials:
  snmp:
    password_file: /etc/wattstat/snmp.community
"""


def storage() -> Markup:
    """No storage cluster."""
    return _empty("No storage cluster is configured.", STORAGE, STORAGE_CREDENTIALS)


def fabric() -> Markup:
    """Neither switches nor cables."""
    return _empty("No switch is configured, and no cable is known.", FABRIC, FABRIC_CREDENTIALS)


def _empty(what: str, inventory: str, credentials: str) -> Markup:
    def lines(text: str, where: str) -> Markup:
        return tag("pre", text, tabindex=0, aria_label=f"For {where}")

    pieces = [
        tag("p", tag("strong", what)),
        tag("p", ["Name it in ", tag("code", "inventory.yaml"), ":"]),
        lines(inventory, "inventory.yaml"),
        tag("p", ["and its way in, which needs to read only, in ", tag("code", "wattstat.yaml"), ":"]),
        lines(credentials, "wattstat.yaml"),
        tag("p", ["Then ", tag("code", "wattstat check-config"), " says whether it holds together."]),
    ]
    return tag("div", pieces, class_="how-to")
