"""The screens of the command line: what is typed, by the name of its picture."""

from __future__ import annotations

from modelwheel.cli.app import COMMANDS

CHURN = "churn-1.2.0-py3-none-any.whl"
WIDE = "wide-1-py3-none-any.whl"
HARD = "acme_forecast_of_demand_for_support_calls-2026.11.25rc1-py3-none-any.whl"
EVIL = "evil"
PACK = ["pack", "model.joblib", "bills.csv", "--name", "acme-bills", "--version", "1.0"]

SCREENS: dict[str, list[str]] = {
    "help": ["--help"],
    **{f"help-{name}": [name, "--help"] for name in COMMANDS},
    "inspect": ["inspect", CHURN],
    "inspect-verbose": ["inspect", CHURN, "--verbose"],
    "inspect-hard": ["inspect", HARD],
    "inspect-wide": ["inspect", WIDE],
    "inspect-evil": ["inspect", "{evil}"],
    "inspect-json": ["inspect", CHURN, "--json"],
    "explain": ["explain", CHURN],
    "explain-hard": ["explain", HARD],
    "verify": ["verify", CHURN],
    "verify-trusted": ["verify", CHURN, "--unsafe-run-code"],
    "verify-tampered": ["verify", f"tampered/{CHURN}"],
    "check": ["check", CHURN, "--runtime", "onnx"],
    "check-refused": ["check", CHURN, "--runtime", "native"],
    "prove": ["prove", CHURN, "--unsafe-run-code"],
    "requirements": ["requirements", CHURN],
    "predict": ["predict", CHURN, "sample.csv"],
    "predict-progress": ["predict", CHURN, "customers.csv", "-o", "answers.csv"],
    "predict-refused": ["predict", CHURN, "today.csv"],
    "predict-separate": ["predict", CHURN, "today.csv", "-o", "today-answers.csv", "--on-error", "separate"],
    "predict-skip": ["predict", CHURN, "today.csv", "--on-error", "skip", "-m", "predict_proba"],
    "predict-renamed": ["predict", CHURN, "renamed.csv"],
    "schema": ["schema", CHURN],
    "schema-hard": ["schema", HARD],
    "schema-json": ["schema", CHURN, "--as", "json-schema"],
    "schema-pydantic": ["schema", HARD, "--as", "pydantic"],
    "schema-answers": ["schema", CHURN, "--answers", "predict_proba"],
    "list": ["list", "."],
    "pack-refused": PACK,
    "pack": [*PACK, "--unsafe-run-code"],
    "pack-again": [*PACK, "--unsafe-run-code", "--summary", "Another"],
    "env-list": ["env", "list"],
    "export": ["export", CHURN, "--with-dependencies", "exported"],
    "completion": ["completion", "bash"],
    "error-command": ["inspekt", CHURN],
    "error-option": ["inspect", CHURN, "--colour"],
    "error-argument": ["inspect"],
    "error-missing": ["inspect", "nothing-1.0-py3-none-any.whl"],
    "error-name": ["inspect", "chrun"],
    "error-folder": ["inspect", "./evil"],
    "error-wheel": ["inspect", "ordinary-1.0-py3-none-any.whl"],
    "error-sdist": ["inspect", "./churn-1.0.tar.gz"],
    "error-method": ["predict", CHURN, "sample.csv", "-m", "predict_probability"],
    "error-input": ["predict", CHURN, "nothing.csv"],
    "error-output": ["predict", CHURN, "sample.csv", "-o", "no/such/folder/answers.csv"],
    "error-kind": ["predict", CHURN, "sample.xlsx"],
}
"""In the folder that `screen_subjects.make_all` fills. Each ends with 0, 1 or 2."""
