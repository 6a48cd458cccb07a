"""Stock Faust's `take` loses a batch to an exception and doubles what a zombie did; our lane does neither."""

from pathlib import Path

from youai_proof.beside import command
from youai_proof.beside.schedules import REQUESTS, Stores

from tests.support.stack import Stack


async def test_what_stock_take_loses_and_doubles_a_lane_does_not(stack: Stack, tmp_path: Path) -> None:
    status = stack.home.require_running()
    stores = Stores(status["kafka"]["bootstrap"], status["postgres"]["dsn"], tmp_path)
    told = {(one.kind, one.fault): one for one in await command.play(stores)}
    for fault in ("exception", "zombie"):
        ours = told["ours", fault]
        assert (ours.once, ours.lost, ours.twice) == (REQUESTS, 0, 0)
    # What Faust does is no promise of ours; but if it ever does better, the note that says so is to be written anew.
    assert told["faust", "exception"].lost > 0
    assert told["faust", "zombie"].twice > 0
