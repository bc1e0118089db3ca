"""vetiver: a model on a board of pins, with a prototype of its input, and the API that vetiver makes."""

import sys
from pathlib import Path

import common
import pandas as pd
import pins
import vetiver
from fastapi.testclient import TestClient


def board(folder: Path) -> object:
    """The board in this folder."""
    return pins.board_folder(str(folder / "board"), versioned=True, allow_pickle_read=True)


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    frame, _ = common.training()
    first = frame.dropna().head(1)  # its prototype is one row, and null has no type there
    vetiver.vetiver_pin_write(board(folder), vetiver.VetiverModel(common.fitted(), "plain", prototype_data=first))


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    vetiver.vetiver_pin_write(board(folder), vetiver.VetiverModel(common.with_canary(), "canary"))
    model, sample = common.large()
    wide = pd.DataFrame(sample).add_prefix("x")
    vetiver.vetiver_pin_write(board(folder), vetiver.VetiverModel(model, "large", prototype_data=wide))


def probe(folder: Path) -> None:
    """The verdicts."""
    common.sang()
    meta = board(folder).pin_meta("canary")
    reads = common.sang()
    loaded = common.outcome(lambda: vetiver.VetiverModel.from_pin(board(folder), "canary"))
    runs = common.sang()
    model = vetiver.VetiverModel.from_pin(board(folder), "plain")
    client = TestClient(vetiver.VetiverAPI(model, check_prototype=True).app, raise_server_exceptions=False)

    def ask(rows: list[dict[str, object]]) -> str:
        answer = client.post("/predict", json=rows)
        return f"answered {answer.json()}" if answer.status_code == 200 else f"{answer.status_code}: {answer.text}"

    good, bad = ask(common.GOOD), ask(common.BAD)
    nulls = client.post("/predict", json=common.NULLS)
    known = list(meta.user["user"]) if "user" in meta.user else list(meta.user)
    common.tell(
        installs=common.installs(next((folder / "board" / "plain").rglob("*.joblib"))),
        reads=("–" if reads else "partly", f"{meta.title}; {known}"),
        refuses=("–" if runs else "✓", loaded),
        good=("✓" if good.startswith("answered") else "–", good),
        defects=(common.judged(bad), bad),
        null=common.same_nulls(nulls.json()["predict"]) if nulls.status_code == 200 else ("–", nulls.text),
        replays=("–", "the prototype travels, answers do not"),
        onnx=("–", "one joblib file in the pin"),
        mapped=common.mapped(lambda: vetiver.VetiverModel.from_pin(board(folder), "large")),
    )


def other(folder: Path) -> None:
    """Load what another scikit-learn has saved."""
    common.tell(versions=common.warned(lambda: vetiver.VetiverModel.from_pin(board(folder), "plain")))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
