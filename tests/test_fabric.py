"""Which port hangs on which switch, who says so, and whose jobs that touches."""

from tests.support.premises import everything, small_hall, told
from wattstat import fabric
from wattstat.catalogue.network import FABRIC_LINK_INFO

HALL = small_hall()


def link(*labels):
    return (FABRIC_LINK_INFO, 1, *labels)


def cable(snapshot, node, device):
    return next(each for each in fabric.cables(snapshot, HALL) if (each.node, each.device) == (node, device))


def test_the_inventorys_cables_are_told_with_their_rails():
    assert cable(told(), "gpu2", "mlx5_0") == ("gpu2", "mlx5_0", "1", "leaf2", "1/2", "inventory")
    assert cable(told(), "gpu1", "eth0").rail == ""


def test_what_the_fabric_manager_found_goes_before_what_was_written_and_keeps_its_rail():
    found = told(link("gpu2", "mlx5_0", "", "leaf1", "9", "lldp"), link("gpu2", "mlx5_0", "", "leaf2", "1/7", "ufm"))

    assert cable(found, "gpu2", "mlx5_0") == ("gpu2", "mlx5_0", "1", "leaf2", "1/7", "ufm")


def test_without_a_manager_what_the_fabric_is_found_to_be_goes_before_what_was_written():
    found = told(link("gpu2", "mlx5_0", "", "leaf1", "9", "lldp"), link("gpu2", "mlx5_0", "1", "leaf2", "3", "ibnetdiscover"))

    assert cable(found, "gpu2", "mlx5_0") == ("gpu2", "mlx5_0", "1", "leaf2", "3", "ibnetdiscover")
    assert fabric.misplaced(found, HALL) == []  # it numbers ports, the inventory calls this one 1/2
    (wrong,) = fabric.misplaced(told(link("gpu2", "mlx5_0", "", "leaf1", "9", "ibnetdiscover")), HALL)
    assert (wrong.found.switch, wrong.written.switch) == ("leaf1", "leaf2")


def test_a_port_that_nobody_wrote_down_is_there_once_it_is_found():
    assert cable(told(link("gpu3", "mlx5_1", "2", "leaf2", "5", "ufm")), "gpu3", "mlx5_1").rail == "2"


def test_a_cable_in_another_hole_is_told_beside_the_right_one():
    (wrong,) = fabric.misplaced(told(link("gpu2", "mlx5_0", "", "leaf2", "1/7", "ufm")), HALL)

    assert (wrong.found.port, wrong.written.port) == ("1/7", "1/2")
    assert fabric.misplaced(told(link("gpu2", "mlx5_0", "", "leaf2", "1/2", "ufm")), HALL) == []


def test_where_the_inventory_names_no_port_any_port_of_the_switch_is_right():
    assert fabric.misplaced(told(link("gpu1", "eth0", "", "leaf1", "12", "lldp")), HALL) == []
    assert len(fabric.misplaced(told(link("gpu1", "eth0", "", "leaf2", "12", "lldp")), HALL)) == 1


def test_a_switch_names_the_servers_and_the_running_jobs_that_its_failure_touches():
    snapshot = told(*everything())
    found = {each.switch: each for each in fabric.touched(snapshot, fabric.cables(snapshot, HALL))}

    assert (found["leaf2"].nodes, found["leaf2"].jobs) == (("gpu1", "gpu2", "gpu3"), ("7", "8"))
    assert (found["leaf1"].nodes, found["leaf1"].jobs) == (("gpu1",), ("7",))


def test_the_exposition_has_the_inventorys_cables_once():
    found = [sample.labels for sample in fabric.samples(HALL)]

    assert len(found) == len(set(found)) == 4
