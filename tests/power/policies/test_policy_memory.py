"""What policies remember across restarts, and what a damaged memory costs."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from power.policies import database
from power.policies.remembering import Remembering
from power.policies.resolved import Memory


@pytest.mark.parametrize("body", ["", "{", "[]", '{"at": 1}', '{"at": 1, "triggers": 7, "baselines": [], "used": []}'])
def test_a_damaged_memory_begins_anew_and_keeps_nothing_from_starting(tmp_path, body):
    engine = database.open_engine(URL.create("sqlite", database=str(tmp_path / "power.db")))
    remembering = Remembering(engine, lambda: 1000.0)
    remembering.keep(Memory(at=1000.0))
    with engine.begin() as connection:
        connection.execute(sa.update(database.power_remembered).values(body=body))

    assert remembering.recall() == Memory() or remembering.recall().at is None
