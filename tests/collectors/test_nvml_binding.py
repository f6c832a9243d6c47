"""Which pynvml is good, and what errors mean."""

import ctypes
import types

import pynvml
import pytest

from collectors.frame.errors import NotSupported, Unreachable
from collectors.nvml import device
from collectors.nvml.binding import GpuLost, LibraryGone, check, find, mapped, meaning


def test_the_official_module_is_found():
    assert find() is pynvml


def test_the_layout_that_field_values_are_read_by_is_the_binding_s():
    entry = pynvml.c_nvmlFieldValue_t
    assert ctypes.sizeof(entry) == device._ENTRY_BYTES
    assert (entry.valueType.offset, entry.nvmlReturn.offset, entry.value.offset) == (24, 28, 32)
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    for number, member in enumerate(members):
        value = entry()
        value.valueType = number
        setattr(value.value, member, 7)
        assert device._VALUES[number].unpack_from(value, device._VALUE_OFFSET) == (7,)


def test_the_old_unofficial_module_is_refused_with_what_to_do():
    old = types.SimpleNamespace(nvmlInit=None, nvmlDeviceGetFieldValues=None)
    with pytest.raises(NotSupported, match="pip uninstall pynvml; pip install --force-reinstall nvidia-ml-py"):
        check(old)


def test_without_any_binding_the_message_names_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    with pytest.raises(NotSupported, match="pip install nvidia-ml-py"):
        find()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (3, NotSupported),
        (13, NotSupported),
        (15, GpuLost),
        (16, GpuLost),
        (1, LibraryGone),
        (9, LibraryGone),
        (18, LibraryGone),
    ],
)
def test_errors_have_the_meaning_that_decides_what_is_lost(code, kind):
    assert isinstance(mapped(pynvml.NVMLError(code), "call"), kind)
    assert isinstance(meaning(code, "field 83"), kind)


def test_an_error_that_nobody_knows_is_a_failure_of_this_one_call():
    assert type(mapped(pynvml.NVMLError(999), "call")) is Unreachable


def test_messages_say_what_to_do():
    assert "kernel module loaded" in str(mapped(pynvml.NVMLError(9), "nvmlInit"))
    assert "reboot" in str(mapped(pynvml.NVMLError(18), "nvmlInit"))
    assert "root" in str(mapped(pynvml.NVMLError(4), "GPM"))
