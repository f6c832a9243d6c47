"""The folder in which boundaries wait: what prologs leave there is found once, and only when it is whole."""

import structlog

from wattstat.serve.journal.boundary import Note
from wattstat.serve.journal.spool import Spool

BEGUN = Note(id="b1", edge="start", scheduler="slurm", job_id="42", gpus=("GPU-0",), wall=1_760_000_000.0)


def test_a_boundary_of_somebody_else_is_found_once(tmp_path):
    Spool(folder=tmp_path).put(BEGUN)
    reader = Spool(folder=tmp_path)

    assert [note.id for note in reader.new()] == ["b1"]
    assert reader.new() == []


def test_what_is_still_being_written_is_left_alone_and_found_when_it_is_whole(tmp_path):
    reader = Spool(folder=tmp_path)
    half = tmp_path / ".b1.json"
    half.write_text('{"id": "b1", "ed')
    with structlog.testing.capture_logs() as told:
        assert reader.new() == []
    assert told == []

    half.write_text(BEGUN.model_dump_json(exclude_defaults=True))
    half.replace(tmp_path / "b1.json")
    assert [note.id for note in reader.new()] == ["b1"]
