from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from modelwheel_loader.opening.record import new_sha256, sha256_of

SIZES = [0, 1, 55, 56, 64, 1 << 20, (1 << 20) + 1, (1 << 24) + 1]
ALONE = """
import sys
for name in ("hashlib", "_hashlib"):
    sys.modules.pop(name, None)  # where coverage is measured, it has imported them
{before}
from modelwheel_loader.opening.record import new_sha256
print(new_sha256({size}).hexdigest(), "_hashlib" in sys.modules)
"""
EMPTY = hashlib.sha256().hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_it_is_sha_256(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert sha256_of(memoryview(data)[:size]) == hashlib.sha256(data[:size]).hexdigest()


@pytest.mark.parametrize(
    ("before", "size", "openssl"),
    [
        ("", 1000, False),
        ("", 1 << 30, True),
        ("import hashlib", 1000, True),
        ("sys.modules['_sha2'] = sys.modules['_sha256'] = None", 1000, True),  # an interpreter without them
    ],
)
def test_openssl_comes_for_large_data(before: str, size: int, openssl: bool) -> None:
    code = ALONE.format(before=before, size=size)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [EMPTY, str(openssl)]


def test_without_openssl_little_data_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashlib.sha256(b"abc").hexdigest()
    monkeypatch.delitem(sys.modules, "hashlib")
    digest = new_sha256(3)
    digest.update(b"abc")
    assert digest.hexdigest() == expected
