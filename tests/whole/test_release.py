"""`make release`, without the upload."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import release


@pytest.mark.slow
def test_what_would_be_uploaded_works(tmp_path: Path) -> None:
    assert len(list(release(tmp_path))) >= 5
