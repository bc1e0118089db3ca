"""The one table by which methods of the face reach an optional or outer layer.

A method stays where people look for it (`Schema.to_pydantic`, `Bundle.explain`, `_repr_html_`), typed and one line
long; what does the work is imported at its first use. These are the only arrows that point outward.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

DOORS = {
    "arrow.read": "bridges.arrow:read_arrow",
    "arrow.write": "bridges.arrow:to_arrow",
    "check.column": "validate.inputs:compile_column",
    "check.data": "validate.inputs:check_data",
    "code": "show.codes:code",
    "diff": "show.diff:diff",
    "error.problem": "show.codes:error_problem",
    "error.text": "show.codes:error_text",
    "explain": "show.explanation:explain",
    "explanation.json": "show.explanation:to_json",
    "explanation.status": "show.explanation:status_lines",
    "explanation.text": "show.explanation:explanation_text",
    "hints.callable": "bridges.hints:fields_of_callable",
    "hints.class": "bridges.hints:fields_of",
    "hints.extra": "bridges.hints:class_extra",
    "hints.row": "bridges.hints:row_class",
    "html.bundle": "show.html:bundle_view",
    "html.error": "show.html:error_view",
    "html.explanation": "show.html:explanation_view",
    "html.model": "show.html:model_view",
    "html.report": "show.html:report_view",
    "html.schema": "show.html:schema_view",
    "misfit": "errors:misfit",
    "open_isolated": "isolated.runtime:open_isolated",
    "plan_isolated": "isolated.environments:plan",
    "type.nested": "bridges.typetext:parse_nested",
    "json_schema": "bridges.json_schema:to_json_schema",
    "pydantic": "bridges.pydantic_model:to_pydantic",
}
"""The name of each door, and the function behind it as `module:function`, the module relative to this package."""


def door(name: str) -> Any:
    """The function behind the door `name`."""
    module, _, function = DOORS[name].partition(":")
    return getattr(import_module(f".{module}", __package__), function)


FACES = {
    "opening": """
        .archive: ALIGNMENT central_header end_records local_header
        .graph: DTYPES GraphInfo Shape WEIGHTS_LOCATION check_graph
        .integrity: entry_points read_headers
        .manifest: Cost Digest ExampleFiles FEATURES FIRST_READER FORMATS GraphInput ISOLATED KINDS LeftOut LockFile
            MEMBER Manifest Method MethodCost NativePayload OnnxPayload PACKER Parity Payload Proof RUNTIMES
            Requirement Tolerance Weight can_be_called
        .names: DEVICES DIST_INFO NAMESPACE is_name normalize_name specifier_set
        .places: Place WheelFile
        .record: RecordRow format_record
        .resolve: installed_bundles open_place
        .schema: Field NO_DEFAULT Null Observed Order Physical Schema
        .strictjson: dump_json plain
        .types: Binary Bool Category CategoryValue DataType Date Decimal Duration Float Integer List String Struct
            TENSOR_DTYPES Tensor Timestamp TypeTextError parse_type
        ..limits: DEFAULT
    """,
    "validate": """
        .batch: Batch Raw may_be_null null_name objects where_null
        .building: arrow_type_of compile_native
        .inputs: compile_column compile_input
        .outputs: compile_output
        .problems: Problems
        .reading: is_a is_pandas is_table library_of native table_columns unwrapped
        .times: duration_count
    """,
    "run": """
        .archives: CONFIG KerasModel MEMBERS NAME SavedModel TREE foreign_names read_tree skops_references write_files
        .bundled_code: MEMBER Source
        .environment: ANY_PYTHON file_specifier_for python_specifier satisfies specifier_for
        .isolation: Isolation
        .model_files: CATBOOST LightgbmRegressor XGBOOST XgboostBooster
        .onnx_runtime: Session compile_feeds import_onnxruntime open_session
        .pickle_names: COMPUTED Reference references
        .requirements: LOCK MOST_BYTES divided folded for_runtime parse_lock read_lock requirements_of unfolded
        .selection: PREFERENCES Preference
        .trust: Trust
        ..native.wrappers: ContextModel TorchInputs TorchModule parameter tensor
    """,
    "proof": """
        .comparison: Comparison compare
        .examples: decode_input decode_output encode_input encode_output
        .report: Explanation Outcome Report RuntimeStatus Step
    """,
    "show": """
        .commandline: BATCH GOOD INTERRUPTED SHORT USAGE
        .html: heading joined styled table view
        .inspection: SHOWN_FIELDS answer_types cost_lines facts field_name field_notes fields_text lock_text
            method_notes parity_lines proof_text size size_text summary table_notes
        .streams: SUFFIX prepare_streams written_beside
        .tables: CsvLines CsvText Labels MAX_LINE Refuse Row answer_columns bad_line cell_readers encoded flattened
            json_rows json_text plain_list
    """,
    "isolated": """
        .environments: Environment HIDDEN find find_uv folder_of listed probe ready remove
    """,
    "bridges": """
        .arrow: from_arrow_type
        .hints: HintError arguments_of field_of hints_of plain_default
        .json_schema: anchored enumerated
        .pydantic_model: SCALARS attribute_name datetime_name
    """,
}
"""What others import from a ring itself, by the module that has it: `from modelwheel_loader.validate import Batch`."""


def face(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a ring: each name of its face, imported from its module at the first use."""
    homes: dict[str, str] = {}
    module = ""
    for word in FACES[package.rpartition(".")[2]].split():
        if word.endswith(":"):
            module = word[:-1]
        else:
            homes[word] = module

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name], package), name)

    return find
