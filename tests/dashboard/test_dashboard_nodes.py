"""The table of servers."""

import re

from fixture_hall import FakeLive

from dashboard.pages.nodes import servers_table
from dashboard.problems import problems
from dashboard.state import OVERVIEW, hall_state
from dashboard.words import NOTHING


async def rows(search: str = "") -> dict[str, str]:
    live = FakeLive()
    hall = hall_state(await live.hall(OVERVIEW), live.hall_inventory, await live.collectors())
    written = re.findall('<tr class="server-row">.*?</tr>', servers_table(hall, problems(hall), search))
    return dict(zip([server.name for server in hall.nodes], written, strict=True))


async def test_every_server_of_the_inventory_is_a_row_and_leads_to_its_page_with_the_chosen_time():
    found = await rows("?from=now-1h&to=now")

    assert set(found) == {entry.name for entry in FakeLive().hall_inventory.nodes}
    assert all(f'href="/node/{name}?from=now-1h&amp;to=now"' in row for name, row in found.items())


async def test_a_row_sorts_by_its_state_and_by_its_numbers_and_not_by_their_text():
    row = (await rows())["gpu-03"]

    assert re.search(r'<td data-by="[12]"><span class="badge (warning|critical)">', row)
    assert re.search(r'data-by="[\d.]+">[\d.]+\u202fkW', row)


async def test_what_a_server_does_not_have_is_a_dash_without_a_number_to_sort_by():
    without_gpus = next(entry.name for entry in FakeLive().hall_inventory.nodes if not entry.gpus)

    assert f'<td class="number" data-by="">{NOTHING}</td>' in (await rows())[without_gpus]
