"""The examples in docs/command-line.md: Markdown by command, executed by tests/test_docs.py as all blocks are."""

from __future__ import annotations

INTRODUCTION = """\
# Command line

`pip install "modelwheel[cli]"` brings the command `modelwheel`; `python -m modelwheel` is the same. What a service
installs, `pip install modelwheel`, stays without: there the command says what is missing, and
[`python -m modelwheel_loader`](#the-small-command-line) does the essentials.

- BUNDLE is a `.whl` file, an unpacked folder, or the name of an installed bundle (`churn`, `"churn>=1.2,<2"`).
- `--json` gives JSON instead of text, also for errors.
- Exit status: 0 success, 1 problem in the bundle or the data, 2 wrong usage, 130 interrupted.
- Colours and progress are for terminals. `NO_COLOR` switches colours off. Output to a pipe has neither.
- Nothing of a bundle runs unless you say so: an installed bundle is trusted, a file is not. `--trust-digest` trusts
  exactly one bundle, `--unsafe-run-code` any.
- Data are UTF-8 in every locale, with or without a byte order mark. A closed stream is an empty one.
- Text that comes from bundles and data cannot move the cursor, change colours or hide itself: it is escaped.

The examples below use this bundle:

```python
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modelwheel

customers = pd.DataFrame({"age": [23.0, 35.0, 51.0, 62.0] * 25, "calls": [9, 2, 0, 1] * 25})
churned = ["yes", "no", "no", "no"] * 25
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(customers, churned)
about = modelwheel.About(summary="Who leaves within 90 days", author="Ada Example", license="Apache-2.0")
bundle = modelwheel.pack(model, name="churn", version="1.2.0", sample=customers, about=about)

joblib.dump(model, "churn.joblib")
customers.to_csv("customers.csv", index=False)
```
"""

EXAMPLES = {
    "inspect": """\
```console
$ modelwheel inspect dist/churn-1.2.0-py3-none-any.whl
churn 1.2.0
Who leaves within 90 days
sha256:…
…
  author       Ada Example · Apache-2.0
…
Input: 2 fields (extra columns are ignored)
  name   type     null  limits · seen in the sample
  age    float64  –     seen 23 … 62
  calls  int64    –     seen 0 … 9
…
Runtimes on this machine
  ✓ onnx      ready
…
```
""",
    "explain": """\
```console
$ modelwheel explain dist/churn-1.2.0-py3-none-any.whl
…
  ● native    needs your trust
…
Loading the native model would import:
  sklearn.pipeline.Pipeline, …
…
```
""",
    "verify": """\
```console
$ modelwheel verify dist/churn-1.2.0-py3-none-any.whl --unsafe-run-code
churn 1.2.0: OK
  ✓ structure: …
  ✓ digests: …
…
  ✓ native predict: identical to the golden examples
…
```
""",
    "prove": """\
```console
$ modelwheel prove dist/churn-1.2.0-py3-none-any.whl --unsafe-run-code
churn 1.2.0: OK
  ✓ environment: Python … with … packages of the lock and nothing else, built by uv
  ✓ load: the model was loaded there
  ✓ isolated predict: identical to the golden examples
…
```
""",
    "repack": """\
```console
$ modelwheel repack dist/churn-1.2.0-py3-none-any.whl --out renewed --summary "Who will leave?"
wrote renewed/churn-1.2.0-py3-none-any.whl
```
""",
    "requirements": """\
```console
$ modelwheel requirements dist/churn-1.2.0-py3-none-any.whl
# churn 1.2.0, to run onnx and native
# Python >=3.…
…
scikit-learn==… \\
    --hash=sha256:… …
…
```
""",
    "check": """\
```console
$ modelwheel check dist/churn-1.2.0-py3-none-any.whl --runtime onnx
churn 1.2.0 (onnx): OK
  ✓ onnx decision_function: within tolerance of the golden examples: …
…
```
""",
    "predict": """\
```console
$ echo '{"age": 30.0, "calls": 8}' | modelwheel predict dist/churn-1.2.0-py3-none-any.whl
{"predict": "yes"}
$ modelwheel predict dist/churn-1.2.0-py3-none-any.whl customers.csv -o answers.csv -m predict -m predict_proba -k age
100 rows predicted into answers.csv (…)
$ head -2 answers.csv
age,predict,predict_proba_no,predict_proba_yes
23.0,yes,…
$ printf 'age,calls\\n30,8\\nold,1\\n41,\\n52,3\\n' > today.csv
$ modelwheel predict dist/churn-1.2.0-py3-none-any.whl today.csv
InputError: the data does not fit the model's schema: 2 defects in 4 rows
  - row 1, field 'age': has the wrong type (expected float64, found 'old') [input.wrong-type]
…
$ modelwheel predict dist/churn-1.2.0-py3-none-any.whl today.csv -o answers.csv --on-error separate
2 rows predicted into answers.csv (…)
2 rows rejected, in answers.csv.rejected.jsonl: 1 input.wrong-type, 1 input.null
$ tail -1 answers.csv.rejected.jsonl
{"row": 2, "errors": [{"code": "input.null", "message": "is null", "field": "calls", "expected": "int64"}], …}
```

`--parameter threshold=0.3` passes a parameter of the method; `--keep id` copies a column of the input to the answers.

Rows are counted from 0. A field that the whole file lacks stops the run whatever `--on-error` says. When the model
itself fails at a row, such as at a category that it never saw, that row is refused too.

CSV has only text: the schema says what a cell means, and an empty cell is null. Where pyarrow is installed, blocks
of plain CSV are read by it, five times as fast; the answers are the same. In CSV and Parquet, a method that answers
several numbers per row has a column for each, named by its class.
""",
    "schema": """\
```console
$ modelwheel schema dist/churn-1.2.0-py3-none-any.whl
name   type     null  limits · seen in the sample
age    float64  –     seen 23 … 62
calls  int64    –     seen 0 … 9
$ modelwheel schema dist/churn-1.2.0-py3-none-any.whl --as pydantic
…
class Row(BaseModel):
    model_config = ConfigDict(extra='ignore', populate_by_name=True, protected_namespaces=())

    age: Annotated[Annotated[float, Strict()], Field(allow_inf_nan=False)]
    calls: Annotated[int, Strict(), Field(ge=-9223372036854775808, le=9223372036854775807)]
```
""",
    "list": """\
```console
$ modelwheel list dist
name   version  runtimes …
churn  1.2.0    onnx, native  … kB  Who leaves within 90 days
```
""",
    "pack": """\
```console
$ modelwheel pack churn.joblib customers.csv --name acme-churn --version 2.0.0
TrustError: churn.joblib is a pickle: reading it runs any code that it holds [trust.refused]
  → If you trust whoever made this file, add --unsafe-run-code.
$ modelwheel pack churn.joblib customers.csv --name acme-churn --version 2.0.0 --unsafe-run-code
packed acme-churn 2.0.0, … kB
…
wrote dist/acme_churn-2.0.0-py3-none-any.whl
```
""",
    "env": """\
A bundle with a lock runs in an environment of its own by `load(…, runtime="isolated")`;
[Isolated](tasks/isolated.md) says how. Here nothing has run isolated yet:

```console
$ modelwheel env list --environments environments
no environment is in …environments
$ modelwheel env remove --all --environments environments
nothing to remove
```
""",
    "export": """\
[Install without an index](tasks/air-gap.md) goes through it. A bundle without a lock cannot be exported:

```python
modelwheel.pack(
    model, name="unlocked", version="1.0", sample=customers, dependencies=modelwheel.Dependencies(lock="none")
)
```

```console
$ modelwheel export dist/unlocked-1.0-py3-none-any.whl --with-dependencies folder 2>&1 || true
EnvironmentMismatch: unlocked holds no lock…
…
```
""",
    "completion": """\
```console
$ modelwheel completion bash > modelwheel.bash && head -1 modelwheel.bash
_modelwheel_completion() {
```
""",
}

LOADER = """\
## The small command line

`python -m modelwheel_loader` comes with the loader and needs nothing else: `inspect`, `verify` and `predict` with
`--json`, the same trust options and exit statuses; `predict` reads and writes JSON lines and CSV.

```console
$ python -m modelwheel_loader inspect dist/churn-1.2.0-py3-none-any.whl
churn 1.2.0
…
$ python -m modelwheel_loader verify dist/churn-1.2.0-py3-none-any.whl
churn 1.2.0: OK (native not run)
…
$ python -m modelwheel_loader predict dist/churn-1.2.0-py3-none-any.whl -i customers.csv -o answers.csv
```
"""
