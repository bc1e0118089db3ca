"""The application of docs/tasks/service.md under real uvicorn, with two workers and real requests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import modelwheel
from doc_blocks import blocks

PAGE = Path(__file__).parents[2] / "docs" / "tasks" / "service.md"
CUSTOMERS = pd.DataFrame({"age": [23.0, 35.0, 51.0, 62.0] * 25, "calls": [9, 2, 0, 1] * 25})
LABELS = ["yes", "no", "no", "no"] * 25
ROW = {"age": 30, "calls": 8}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("service")
    (app,) = (block.text for block in blocks(PAGE) if block.options == 'title="app.py"')
    (folder / "app.py").write_text(app)
    model = LogisticRegression().fit(CUSTOMERS, LABELS)
    wheel = modelwheel.pack(model, name="churn", version="1.2.0", sample=CUSTOMERS, out=folder).path
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--workers", "2", "--app-dir", "."]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "MODEL": str(wheel)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            wait_for(client, process, folder / "log")
            yield client
    finally:
        process.terminate()
        process.wait(30)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_it_is_ready_when_the_golden_examples_are_answered(service: httpx.Client) -> None:
    answer = service.get("/ready")
    assert answer.status_code == 200
    assert {step["outcome"] for step in answer.json()["steps"]} == {"passed"}


def test_rows_are_answered_as_by_the_original(service: httpx.Client) -> None:
    rows = CUSTOMERS.to_dict(orient="records")
    expected = LogisticRegression().fit(CUSTOMERS, LABELS).predict(CUSTOMERS).tolist()
    answer = service.post("/predict", json=rows)
    assert answer.status_code == 200
    assert [row["value"] for row in answer.json()] == expected


def test_both_workers_answer_many_at_once(service: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: service.post("/predict", json=[ROW]).json(), range(200)))
    assert answers == [[{"value": "yes"}]] * 200


def test_a_wrong_row_is_a_problem_without_its_values(service: httpx.Client) -> None:
    answer = service.post("/predict", json=[ROW, {"age": "secret"}])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    problem = answer.json()
    assert [(error["row"], error["field"], error["code"]) for error in problem["errors"]] == [
        (1, "age", "input.wrong-type"),
        (1, "calls", "input.missing-field"),
    ]


@pytest.mark.parametrize("body", [b"{", b"3", b'{"age": 3}', b"[1]", b""])
def test_a_body_that_holds_no_rows_is_a_problem_too(service: httpx.Client, body: bytes) -> None:
    answer = service.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff"])
def test_a_body_that_no_parser_takes_is_the_clients_fault(service: httpx.Client, body: bytes) -> None:
    assert service.post("/predict", content=body, headers={"content-type": "application/json"}).status_code == 400


def test_no_rows_are_no_answers(service: httpx.Client) -> None:
    assert service.post("/predict", json=[]).json() == []


def test_the_documentation_shows_the_contract(service: httpx.Client) -> None:
    described = service.get("/openapi.json").json()
    assert (described["info"]["title"], described["info"]["version"]) == ("churn", "1.2.0")
    call = described["paths"]["/predict"]["post"]
    rows = call["requestBody"]["content"]["application/json"]["schema"]
    assert rows["items"]["properties"]["age"] == {"type": "number"}
    assert rows["items"]["required"] == ["age", "calls"]
    assert described["components"]["schemas"]["Answer"]["properties"]["value"]["type"] == "string"
