"""Which GPU of a driver is which of the BMC: never guessed from numbers, told by serial numbers and UUIDs."""

from tests.support.premises import told
from wattstat import gpulink
from wattstat.catalogue import gpu, node


def in_band(name, index, uuid, serial=""):
    """A GPU as an agent tells of it."""
    return (gpu.GPU_LOST, 0, name, index, uuid), (gpu.GPU_INFO, 1, name, index, uuid, "H100", serial, *[""] * 6)


def by_bmc(name, device, serial="", uuid=""):
    return (node.NODE_GPU_INFO, 1, name, device, "H100", serial, uuid, "")


def linked(*samples):
    return [sample.labels for sample in gpulink.samples(told(*samples))]


def test_serial_numbers_link_what_numbers_would_confuse():
    found = linked(
        *in_band("n", "0", "GPU-a", "111"),
        *in_band("n", "1", "GPU-b", "222"),
        by_bmc("n", "GPU_SXM_1", "222"),
        by_bmc("n", "GPU_SXM_2", "111"),
    )

    assert found == [("n", "0", "GPU-a", "GPU_SXM_2"), ("n", "1", "GPU-b", "GPU_SXM_1")]


def test_without_a_serial_number_the_uuid_links():
    assert linked(*in_band("n", "0", "GPU-9DAD5BFD"), by_bmc("n", "GPU_SXM_7", "165", "9dad5bfd")) == [
        ("n", "0", "GPU-9DAD5BFD", "GPU_SXM_7")
    ]


def test_a_lost_gpu_of_which_only_the_uuid_is_left_is_still_linked():
    lost = (gpu.GPU_LOST, 1, "n", "3", "GPU-9dad5bfd")

    assert linked(lost, by_bmc("n", "GPU_SXM_3", "165", "9dad5bfd")) == [("n", "3", "GPU-9dad5bfd", "GPU_SXM_3")]


def test_what_identifies_two_boards_identifies_none():
    assert linked(*in_band("n", "0", "GPU-a", "0"), by_bmc("n", "GPU_SXM_1", "0")) == []
    assert linked(*in_band("n", "0", "GPU-a", "111"), by_bmc("n", "GPU_SXM_1", "111"), by_bmc("n", "GPU_SXM_2", "111")) == []


def test_the_same_serial_number_in_another_server_is_another_board():
    assert linked(*in_band("n", "0", "GPU-a", "111"), by_bmc("m", "GPU_SXM_1", "111")) == []


def test_one_side_alone_links_nothing():
    assert linked(*in_band("n", "0", "GPU-a", "111")) == []
    assert linked(by_bmc("n", "GPU_SXM_1", "111")) == []
