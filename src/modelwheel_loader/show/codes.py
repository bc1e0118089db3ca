"""The stable codes of all errors: what happened, and how to fix it. `docs/errors.md` is written from this table.

A code never changes its meaning and is never reused; new ones are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..defects import SHOWN_DEFECTS, Defect, listed
from ..text import counted

if TYPE_CHECKING:
    from ..errors import DataError, ModelwheelError


class Code(NamedTuple):
    """What a code means: `cause` is what happened, `cure` is how to fix it."""

    cause: str
    cure: str


_TABLE = """
# The wheel file, the unpacked folder and the installation; JSON and the manifest in it; digests; permission to run code
archive.truncated: The file is cut off, or is not a wheel. -> Get the file again and compare its SHA-256.
archive.form: The file does not have the exact form that modelwheel writes, so other readers might read it differently.
    -> Use the file exactly as modelwheel wrote it; a re-zipped wheel is not accepted.
archive.compressed: A file in the bundle is compressed; bundles store files uncompressed so that they can be mapped.
    -> Use the file exactly as modelwheel wrote it; a re-zipped wheel is not accepted.
archive.limit: The bundle exceeds a limit. -> If you trust the bundle, pass larger limits: open(…, limits=…).
archive.name: A file in the bundle has a name that is not allowed. -> Do not use this bundle: ask its author.
archive.layout: The files are not arranged as a model bundle.
    -> Check that this is a model bundle, and get it again from its author.
archive.record: RECORD is broken, or does not list exactly the files of the bundle. -> Download or install it again.
json.invalid: A JSON document of the bundle is not strict JSON. -> Get the bundle again from where it was published.
manifest.invalid: The manifest breaks a rule of the format. -> Get the bundle again from its author, or pack it again.
manifest.format: The bundle has a format that this modelwheel cannot read. -> Install a newer modelwheel.
manifest.features: The bundle uses a feature of the format that this modelwheel does not know.
    -> Install a newer modelwheel.
manifest.members: The manifest does not match the files of the bundle.
    -> Get the bundle again from its author, or pack it again.
integrity.digest: Bytes of the bundle do not match the digests that its author recorded.
    -> Do not use this copy. Get the bundle again and compare its SHA-256.
integrity.replaced: The path now holds another bundle than the pickled one. -> Pickle the model or bundle again.
trust.refused: Loading the native model would run code of the bundle, and the caller has not allowed it.
    -> Pass trust=Trust.digests(…) with the digest of a bundle that you know, or use the ONNX runtime.
# Finding a bundle
resolve.missing: There is no such file or folder. -> Check the path.
resolve.unreadable: The operating system cannot read it. -> Check permissions, disk, network and limits.
resolve.not-a-file: The path is a pipe, a device or another special file. -> Pass the path of a wheel.
resolve.not-installed: No installed bundle has that name. -> Install it with pip, or pass the path of the file.
resolve.not-a-bundle: The installed distribution is an ordinary package. -> Check the name.
resolve.twice: `pip install --target`, or an interrupted upgrade, left two versions of the bundle.
    -> In an environment, `pip uninstall` until nothing is left and install again; empty a `--target` folder first.
resolve.incomplete: `pip install --target` omits files of a bundle when the folder already holds another bundle.
    -> Empty the folder and install all bundles in one call, use `uv pip install --target`, or an environment.
resolve.version: Another version is installed. -> Install the version that you request.
# The native payload and the ONNX payload, this Python and its packages
native.stream: The pickle of the bundle is malformed. -> Get the bundle again from its author, or pack it again.
native.buffers: The pickle does not match the list of its buffers.
    -> Get the bundle again from its author, or pack it again.
native.unpickle: The model raised an exception while it was rebuilt from its pickle.
    -> See the `__cause__`. Compare the package versions with `explain`, or pack the model again.
native.cloudpickle: The model holds code by value, and cloudpickle is not installed. -> pip install "modelwheel[pack]"
native.reference: The model refers to something that the installed packages do not have.
    -> Install the packages of the bundle: `explain` lists them, `pip install "name[native]"` installs them.
native.module: The model needs a module that is not installed.
    -> Install the packages of the bundle: `explain` lists them, `pip install "name[native]"` installs them.
native.file: The framework cannot read the model file in the bundle.
    -> Get the bundle again from its author, or install the version of the framework that `explain` lists.
native.skops: The bundle's model is a skops file, and skops is not installed. -> pip install "modelwheel[skops]"
native.backend: Keras uses another backend in this process than when the model was packed.
    -> Set KERAS_BACKEND before importing Keras, run the model isolated, or use its ONNX graph.
native.types: A skops file or a Keras archive names a type that is not listed or not allowed. Nothing was built.
    -> Do not use this file: `pack` lists every type. Get the bundle again from its author.
native.code: The bundle includes a module, and a module of the same name with other source is imported here.
    -> Load it where nothing else has that name: runtime="isolated".
onnx.graph: The ONNX graph is broken, or holds something that a bundle must not hold.
    -> Get the bundle again; if it is as published, do not use it and ask its author.
onnx.extra: onnxruntime is not installed. -> pip install "modelwheel[onnx]"
onnx.runtime: The installed onnxruntime is too old for the graph. -> pip install --upgrade onnxruntime
onnx.resources: The system gives onnxruntime too little memory or too few threads; a container may limit both.
    -> Raise the limits (`ulimit -u`, `ulimit -v`, those of the container), or load with SessionOptions(threads=1).
environment.python: The model was packed for other Python versions than this one.
    -> Use a Python in the range (such as `uv venv --python 3.11`) or another runtime, or pack again with this Python.
environment.missing: A package that the model needs is not installed. -> Install it: the hint is the command.
environment.version: A package has a version outside the range in which predictions stay the same.
    -> Install a version in the range (the hint is the command), or pack the model again with this one.
# Input, schemas, output and golden examples
input.missing-field: A field that the model needs is missing. -> Send the field; names must match exactly.
input.extra-field: The model does not have this field. -> Remove the field.
input.no-parameter: The method does not have this parameter. -> See the parameters in `bundle.methods`.
input.duplicate-field: Two columns have the same name. -> Rename or drop one of them.
input.wrong-type: A value does not have the type of its field. -> Send a value of the expected type.
input.not-whole: A number with a fraction was sent for an integer.
    -> Send a whole number; round first if that is acceptable.
input.out-of-range: A value does not fit its type without loss. -> Check the value and its unit.
input.zone: A timestamp has a time zone and must not have one, or lacks one and needs it. -> Send it as the schema says.
input.null: A value is missing in a field that never takes null. -> Send a value, or ask the author to allow null.
input.not-finite: A number is infinite. -> Send a finite number, or null where the field allows it.
input.too-small: A value is below the minimum of its field. -> Check the value and its unit.
input.too-large: A value is above the maximum of its field. -> Check the value and its unit.
input.not-allowed: A value is not an allowed value. -> Use one of the allowed values.
input.pattern: A text does not match the pattern of its field. -> Correct the text.
input.too-short: A value is shorter than its field allows. -> Check the value.
input.too-long: A value is longer than its field allows. -> Check the value.
input.shape: An array does not have the shape that the model expects. -> Pass an array of the expected shape.
input.row-count: A call has too few or too many rows. -> Send another number of rows at a time.
input.not-unique: Two rows have the same key. -> Send each row once.
input.rows-differ: Columns have different numbers of rows. -> Pass columns of one length.
input.ambiguous: Some values are columns and some are single values. -> Pass one row, or columns, not a mix.
input.container: The model does not support this type of input. -> Pass one of the types listed above.
input.unreadable: An object in the data raised an exception when it was read.
    -> Pass plain values, arrays or tables; `error.__cause__` is the exception.
input.file: The input file does not have the expected format. -> Check the path, and set the format with --from.
input.library: Parquet and Arrow files need a library that is not installed. -> pip install pyarrow
input.line: A line of the input file cannot be read. -> Correct the line.
schema.bound: A limit of a field does not fit its type. -> Correct the limit in the schema.
schema.default: The default of a field is not valid for the field. -> Correct the default.
schema.name: The name of a field is not a text. -> Name fields as the columns are named, as text.
schema.table: The schema contradicts itself. -> Correct the part that the message names.
schema.type: The type of a field is unknown. -> Use one of the types listed in docs/contract.md.
schema.no-field: The schema has no field of that name. -> See `schema.names`.
schema.source: No schema can be read from the object.
    -> Pass a Schema, a pydantic model, dataclass or TypedDict, a callable with type hints, or an Arrow schema.
schema.hint: A type hint is missing, or describes a type that schemas do not have.
    -> Use the types listed in docs/contract.md, or write the field by hand.
schema.zone: This machine does not know a time zone of the schema.
    -> Install its data (pip install tzdata), or correct the zone in the schema.
schema.pydantic: pydantic is not installed. -> pip install "modelwheel[pydantic]"
schema.arrow: Schemas have no type for an Arrow type. -> Convert the column, or write the field by hand.
schema.attribute: A field has no such attribute. -> See `modelwheel.Field` in the reference.
output.type: The model returned another type of object than when it was packed. -> {changed}
output.rows: The model did not return one row for each input row. -> {changed}
output.shape: The output has another shape than the output schema. -> {changed}
output.dtype: The output has another type than the output schema. -> {changed}
output.names: The names in the output differ from those of the output schema. -> {changed}
output.null: The output holds NaN, which the output schema excludes.
    -> Check the rows that give NaN, or make the output nullable.
output.infinite: The output holds an infinite number, which the output schema excludes.
    -> Check the rows that give it, or allow infinity in the output schema.
output.range: The output is outside the minimum or maximum of the output schema.
    -> Check the rows that give it, or widen the output schema.
output.library: The library of the model's output type is not installed.
    -> Install it: `bundle.explain()` lists what the model needs.
examples.write: Golden examples hold a value that cannot be stored.
    -> Check the fields in the message, or pack with other examples, or without.
# Inferring a schema from a sample, predicting
infer.sample: No schema can be inferred from this type of object.
    -> Pass the model's input data: a DataFrame, an array, a dict of arrays, or a list of texts or dicts.
infer.empty: The sample has no rows or no columns. -> Pass all data that the model was trained or tested on.
infer.lengths: The columns of the sample have different lengths. -> Give every column one value per row.
infer.labels: The column labels repeat, or are neither text nor integers. -> Give every column its own name, as text.
infer.column: A column holds values that no single type of a schema describes.
    -> Convert its values to one type before fitting, or leave it out of the sample if the model does not use it.
infer.answer: A method returns something that no output schema describes.
    -> Wrap the model in a function that returns one array, DataFrame, dict of arrays, or value per row.
predict.failed: The model itself raised an exception.
    -> See the `__cause__`: it is the model's own exception. Compare the data with the golden examples.
predict.differs: The model's predictions for the golden examples are outside the recorded tolerance.
    -> Do not serve it from this environment: compare the package versions with `explain`, or use another runtime.
predict.no-method: The packed object lacks a method that the bundle lists. -> Pack the model again.
# Packing, locks and proofs, writing, exporting
pack.unknown-model: modelwheel does not support this type of model. -> Wrap it in a function, and pack the function.
pack.not-fitted: The estimator has not been fitted. -> Call `fit` before `pack`.
pack.name: The name is not valid for a distribution. -> Use letters, digits and '-', such as 'acme-churn'.
pack.version: The version does not follow PEP 440. -> Use a version such as '1.2.0' or '1.2.0rc1'.
pack.about: Metadata of the bundle is not valid. -> Correct the field in the message.
pack.pickle: The model, or something in it, cannot be pickled.
    -> Remove open files, connections, locks and generators from the model, or create them in `__setstate__`.
pack.extra: A package that packing needs is not installed, or cannot be imported. -> Install the extra in the message.
pack.file: A model or sample file cannot be read. -> Check the file, and the library that wrote it.
pack.elsewhere: The model does not answer in a fresh interpreter as it does in the author's process.
    -> Keep in the model what it reads from files, registries and modules of the process, or let their source travel.
pack.dependency: The model refers to code that is neither installed nor loaded. -> Import or install it before packing.
pack.method: The model lacks a prediction method. -> Name methods that the model has: Options(methods=…).
pack.predict: The model itself fails on the sample. -> See the `__cause__`. Was it fitted on data like the sample?
pack.promise: The model tells apart in the sample what the contract makes alike.
    -> Write it in one way before fitting, or make the difference a value of its own.
pack.index: The model reads the index of the DataFrame, or answers with an index of its own.
    -> Make the index a column, of the sample or of the answer: frame.reset_index().
pack.state: The answers depend on a setting of the author's process. -> Set it inside the function that is packed.
pack.schema: The given schema and the sample have different fields.
    -> Begin with infer_schema(sample).schema and change it.
pack.parameter: A parameter's default does not fit its type hint. -> Correct the default or the hint.
pack.examples: The golden examples cannot be created. -> Choose another source: Examples(source=…).
pack.no-runtime: No runtime gives the model's predictions.
    -> Allow the native runtime: Options(runtimes=('onnx', 'native')).
pack.native: The model cannot be stored in the requested native format.
    -> Omit `Options(native=…)`, or build the model from classes that the format supports.
pack.onnx: A bundle cannot hold this ONNX model, or the model does not accept the sample.
    -> Export the graph again: tensors in and out, a free first axis, standard operators, all data in its files.
pack.adapter: An installed distribution offers an adapter that cannot be used.
    -> Update the distribution of the adapter, or uninstall it.
pack.training: The module is in training mode. -> Call model.eval() and model.cpu() before packing.
pack.nan: The model returns NaN for every row of the sample.
    -> Check its weights, and whether the sample is scaled like the training data.
pack.code: Source cannot be included: it is not a module, has compiled parts, or needs other local code.
    -> Name the whole package or the file that is imported: Dependencies(code=(…,)).
pack.lock: A lock is required and cannot be created, or the given lock lacks packages of the model.
    -> Read the resolver's message; `find_links` adds folders of wheels, and `lock="none"` packs without a lock.
prove.missing: The model needs a package or a module that is not in its lock: the clean room does not have it.
    -> Name it to `pack`: Dependencies(add=(…,)) for a package, Dependencies(code=(…,)) for source of your own.
prove.failed: The model's predictions in the clean room differ from those at packing.
    -> Read the steps: what differs there? The lock holds the versions that were installed here.
write.exists: A file of that name with different content already exists.
    -> Use a new version number. To replace the file, pass options=Options(overwrite=True), or --overwrite.
write.failed: The operating system could not write the file. -> Free space, get write permission, or write elsewhere.
export.no-wheel: The lock lists no wheel of a package for that Python and platform.
    -> Name a platform that has wheels, or build one from source, and pack with a lock that lists it.
export.download: pip could not download a wheel: it is not in the index, or has another hash.
    -> Read pip's message in the notes of the error. --find-links adds folders of wheels.
# Wrong arguments
usage.requirement: The text is not a requirement. -> Write 'name', 'name==1.2.0' or 'name>=1.2,<2'.
usage.trust: Trust is not a Boolean. -> Pass one of the policies of `modelwheel.Trust`.
usage.closed: The bundle or the model was closed. -> Open or load it again.
usage.no-examples: The bundle holds no such golden examples. -> Pack with examples, or skip the replay.
usage.no-cost: The cost of the runtimes was not measured.
    -> Pack with `Options(measure_cost=True)`, or name the runtime instead of `prefer`.
usage.runtime: No runtime has that name. -> Use one of the names listed.
usage.runtime-left-out: The bundle was packed without that runtime. -> Use another runtime: see `bundle.runtimes`.
usage.no-method: The model has no such method. -> See `model.methods`.
usage.runtime-method: The bundle has that method, but not in the loaded runtime. -> Load the runtime that has it.
usage.parameter-runtime: A parameter was passed to a runtime in which its value is fixed.
    -> Load the original: load(…, runtime="native").
usage.argument: An argument has a wrong type or value. -> Read the signature in the reference.
# Models in an environment of their own. After an error of a worker, the next call starts a new worker.
isolated.no-lock: The bundle has no lock, which lists the packages of an isolated environment.
    -> Pack the model again with a lock, or install what `explain` lists and use the native runtime.
isolated.lock: The lock of the bundle cannot be used: it must give name, version and SHA-256 of each file.
    -> Pack the model again.
isolated.platform: Workers cannot start here: they need Linux or macOS, and a loader installed as plain files.
    -> Install modelwheel by pip or uv on such a machine, or use another runtime.
isolated.python: This machine has no Python that the model can run on.
    -> Install that Python, or pass it as Isolation(python=…).
isolated.build: The environment could not be built: a file is not in the index, has another hash, or is source only.
    -> Read the tool's message in the notes of the error. Isolation(find_links=…) adds folders of wheels.
isolated.folder: Environments cannot be stored in that folder: it is not writable, or others may write to it.
    -> Pass another folder: Isolation(environments=…).
isolated.unknown: No environment has that name. -> `modelwheel env list` shows them.
isolated.ambiguous: Several environments begin with that name. -> Type more of the name.
worker.start: The interpreter of the environment does not start.
    -> Remove the environment with `modelwheel env remove`; it is built again.
worker.resources: The system gives this process no more files, memory or processes for a worker.
    -> Raise its limits (`ulimit -n`, `ulimit -u`), or close models that it does not need.
worker.crashed: The worker's process ended: compiled code crashed, or the model ended it.
    -> Call again: a new worker starts. The notes of the error say where it was.
worker.killed: The worker was killed, often by the kernel because memory ran out.
    -> Call again: a new worker starts. Send fewer rows at once, or give the machine more memory.
worker.memory: The worker ran out of memory, or reached Isolation(memory=…).
    -> Call again: a new worker starts. Send fewer rows at once.
worker.timeout: The worker did not respond within Isolation(timeout=…) and was ended.
    -> Call again: a new worker starts. Send fewer rows at once, or allow more time.
worker.busy: All workers were busy with other calls for Isolation(timeout=…); the call was not sent.
    -> Call again later; Isolation(workers=…) starts more. A service should respond 503.
worker.protocol: A message of the worker does not follow the protocol.
    -> Call again; if it persists, the model corrupts memory.
"""
"""One entry per code, `code: what happened -> how to fix it`, on one line or two."""
_CHANGED = "The model differs from when it was packed: compare the package versions with `explain`, or pack it again."


def _read(table: str) -> dict[str, Code]:
    entries = table.replace("\n    ->", " ->").replace("{changed}", _CHANGED).splitlines()
    pairs = (entry.partition(": ") for entry in entries if entry and not entry.startswith("#"))
    return {name: Code(*texts.split(" -> ")) for name, _, texts in pairs}


CODES = _read(_TABLE)


def code(name: str) -> Code:
    """What is known of the error code `name`."""
    return CODES[name]


# How an error reads.


def error_text(error: ModelwheelError) -> str:
    """The message, the first defects, how many more there are, and what to do."""
    shown = listed(error.defects, SHOWN_DEFECTS)
    if len(shown) == 1 and error.counted == 1 and shown[0].message == error.message:
        return f"{shown[0]}\n  → {shown[0].advice}"
    lines = [error.message, *_listed(shown)]
    if error.counted > len(shown):
        lines.append(f"  … and {error.counted - len(shown):,} more")
    return "\n".join([*lines, *_cures(shown)])


def error_problem(error: DataError, *, values: bool) -> dict[str, Any]:
    """The error as an RFC 9457 problem; without `values`, nothing of the data is in it."""
    hidden = () if values else ("found", "message")
    errors = []
    for defect in error.defects:
        parts = {name: value for name, value in defect.to_dict().items() if name not in hidden}
        errors.append({**parts, "detail": code(defect.code).cause})
    return {
        "type": f"urn:modelwheel:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": f"{counted(error.counted, 'defect')} found",
        "errors": errors,
        "counted": error.counted,
    }


def _listed(defects: Sequence[Defect]) -> Iterator[str]:
    """Each defect with its own hint, unless all have the same one."""
    same = len({defect.hint for defect in defects}) == 1
    for defect in defects:
        yield f"  - {defect}"
        if defect.hint and not same:
            yield f"    → {defect.hint}"


def _cures(defects: Sequence[Defect]) -> Iterator[str]:
    """What to do next: one line for each different advice that no defect has of its own."""
    advice = {defect.advice: defect.code for defect in defects if not defect.hint}
    if len({defect.hint for defect in defects}) == 1 and defects[0].hint:
        advice = {defects[0].hint: ""}
    alone = len({defect.code for defect in defects}) == 1
    for text, code in advice.items():
        yield f"  → {text}" if alone or not code else f"  → {text} [{code}]"
