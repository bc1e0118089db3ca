from __future__ import annotations

import pytest

from modelwheel.errors import MissingExtra
from modelwheel.extras import needed


def refused(error: ImportError) -> MissingExtra:
    with pytest.raises(MissingExtra) as caught, needed("skl2onnx", "converting", extra="sklearn", or_native=True):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.code == "pack.extra"
    return caught.value


def test_a_package_that_is_not_there_is_named_with_its_extra_and_the_way_without_it() -> None:
    error = refused(ModuleNotFoundError("No module named 'skl2onnx'", name="skl2onnx"))
    assert error.message == "converting needs skl2onnx, which is not installed"
    assert error.hint == 'pip install "modelwheel[sklearn]", or pack with options=Options(runtimes=("native",))'


@pytest.mark.parametrize(
    "error",
    [ImportError("numpy.core.multiarray failed\x1b[2J"), ModuleNotFoundError("No module named 'onnx'", name="onnx")],
)
def test_a_package_that_is_there_and_does_not_work_says_what_it_said(error: ImportError) -> None:
    found = refused(error)
    assert found.message == "converting needs skl2onnx, which is installed and cannot be imported"
    assert found.defects[0].found == str(error).replace("\x1b", "\\x1b")
    assert "--force-reinstall" in found.hint
