"""How busy the switch's own processor is, by HOST-RESOURCES-MIB."""

from __future__ import annotations

import statistics

from collectors.snmp import Rows, whole

COLUMNS = {"load": "1.3.6.1.2.1.25.3.3.1.2"}


def ratio(rows: Rows) -> float | None:
    """The mean of its cores over the last minute."""
    told = [load for row in rows.values() if (load := whole(row.get("load"))) is not None and 0 <= load <= 100]
    return statistics.fmean(told) / 100 if told else None
