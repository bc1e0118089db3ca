"""The codes of models of frameworks beyond scikit-learn, each with its cause and its cure."""

from __future__ import annotations

from typing import NamedTuple

FRAMEWORK_CODES: dict[str, tuple[str, str]] = {
    "native.file": (
        "The framework cannot read the model's file that the bundle holds.",
        "Get the bundle again from its author, or install the version of the framework that `explain` lists.",
    ),
    "native.skops": (
        "The bundle's model is a skops file, and skops is not installed.",
        'pip install "modelwheel[skops]".',
    ),
    "native.backend": (
        "Keras computes by another backend in this process than when the model was packed.",
        "Set KERAS_BACKEND before Keras is imported, run the model isolated, or use its ONNX graph.",
    ),
    "native.types": (
        "A skops file or a Keras archive names a type that the bundle does not list or may not hold. Nothing was built.",
        "Do not use this file: `pack` lists every type. Get the bundle again from its author.",
    ),
    "pack.native": (
        "The model cannot be kept in the native format that was asked for.",
        "Leave `Options(native=…)` out, or make the model of classes that the format can hold.",
    ),
    "pack.onnx": (
        "The ONNX model is not one that a bundle may hold, or it does not take the sample.",
        "Export the graph again: tensors in and out, a free first axis, standard operators, all data in its files.",
    ),
    "pack.adapter": (
        "An installed distribution offers an adapter, and it cannot be used.",
        "Update the distribution that brings it, or uninstall it.",
    ),
    "pack.training": (
        "The module is set up for training, not for answering.",
        "Call model.eval() and model.cpu() before packing.",
    ),
    "pack.nan": (
        "The model answers NaN for every row of the sample.",
        "Look at its weights, and whether the sample is scaled as the training data was.",
    ),
}


# The codes of models that run in an environment of their own, each with its cause and its cure.


ISOLATED_CODES: dict[str, tuple[str, str]] = {
    # isolated.*: environments of isolated models (isolated_plan.py, lock_requirements.py, environment_*.py)
    "isolated.no-lock": (
        "The bundle does not say which packages an environment of its own must hold.",
        "Pack the model again with a lock, or install what `explain` lists and use the native runtime.",
    ),
    "isolated.lock": (
        "No environment can be built from the lock in the bundle: it must give name, version and SHA-256 of each file.",
        "Pack the model again.",
    ),
    "isolated.platform": (
        "Workers cannot be started here: they need Linux or macOS, and a loader that lies in plain files.",
        "Install modelwheel by pip or uv on such a machine, or use another runtime.",
    ),
    "isolated.python": (
        "No interpreter that the model can run on is on this machine.",
        "Install that Python, or name one by Isolation(python=…).",
    ),
    "isolated.build": (
        "The environment could not be built: a file is not in the index, has another hash, or exists as source only.",
        "Read what the tool says: it is in the notes of the error. Isolation(find_links=…) looks into folders of wheels.",
    ),
    "isolated.folder": (
        "Environments cannot be kept in that folder: it cannot be written to, or others may write there.",
        "Name another folder by Isolation(environments=…).",
    ),
    "isolated.unknown": ("There is no environment of that name.", "`modelwheel env list` shows them."),
    "isolated.ambiguous": ("Several environments begin with that name.", "Write more of the name."),
    # export.*: folders for machines without an index (modelwheel/airgap)
    "export.no-wheel": (
        "The lock lists no wheel of a package for that Python and platform.",
        "Name a platform that it has wheels for, or build one from its source, and pack with a lock that lists it.",
    ),
    "export.download": (
        "pip could not download a wheel: it is not in the index, or has another hash.",
        "Read what pip says: it is in the notes of the error. --find-links looks into folders of wheels.",
    ),
    # worker.*: the process of an isolated model (isolated/worker_process.py). The next call starts a fresh one.
    "worker.start": (
        "The interpreter of the environment does not start.",
        "Remove the environment by `modelwheel env remove`; it is built again.",
    ),
    "worker.resources": (
        "The system gives this process no more files, memory or processes, so that it cannot start or ask a worker.",
        "Raise its limits (`ulimit -n`, `ulimit -u`), or close models that it does not need.",
    ),
    "worker.crashed": (
        "The worker's process ended by itself: compiled code crashed, or the model ended it.",
        "Call again: a fresh worker answers. The notes of the error say where it was.",
    ),
    "worker.killed": (
        "Somebody killed the worker; often it is the kernel, because memory ran out.",
        "Call again: a fresh worker answers. Send fewer rows at once, or give the machine more memory.",
    ),
    "worker.memory": (
        "The worker ran out of memory, or reached Isolation(memory=…).",
        "Call again: a fresh worker answers. Send fewer rows at once.",
    ),
    "worker.timeout": (
        "The worker did not answer in Isolation(timeout=…) and was ended.",
        "Call again: a fresh worker answers. Send fewer rows at once, or allow more time.",
    ),
    "worker.busy": (
        "All workers were busy with other calls for Isolation(timeout=…); nothing was asked and none was ended.",
        "Call again later; Isolation(workers=…) starts more. A service answers 503.",
    ),
    "worker.protocol": (
        "What the worker sent does not follow the protocol.",
        "Call again; if it stays, the model writes into memory.",
    ),
}


# The codes of locks and proofs, each with its cause and its cure.


LOCK_CODES: dict[str, tuple[str, str]] = {
    "native.code": (
        "The bundle brings a module whose name another module has here, with another source.",
        'Load it where nothing else has that name: runtime="isolated".',
    ),
    "pack.code": (
        "Source that is to travel in the bundle cannot: it is no module, has compiled parts, or needs other local code.",
        "Name the whole package or the file that is imported: Dependencies(code=(…,)).",
    ),
    "prove.missing": (
        "The model needs a package, or a module, that is not in its lock: in the clean room it is not there.",
        "Name it to `pack`: Dependencies(add=(…,)) for a package, Dependencies(code=(…,)) for source of your own.",
    ),
    "prove.failed": (
        "The model does not answer in the clean room as it did when it was packed.",
        "Read the steps: what is different there? The lock holds the versions that were installed here.",
    ),
    "pack.lock": (
        "A lock was asked for and cannot be made, or the one that was given does not hold what the model needs.",
        'Read what the resolver says; `find_links` looks into folders of wheels, and `lock="none"` does without.',
    ),
}


# The codes of what can be wrong with a schema that is made or changed by hand: cause and cure.


SCHEMA_CODES: dict[str, tuple[str, str]] = {
    "schema.bound": ("A limit of a field does not fit its type.", "Correct the limit in the schema."),
    "schema.default": ("The default of a field does not fit its own field.", "Correct the default."),
    "schema.name": ("The name of a field is no text.", "Name fields as the columns are named, in text."),
    "schema.table": ("The schema contradicts itself.", "Correct what is named."),
    "schema.type": ("The type of a field is unknown.", "Use one of the types listed in docs/contract.md."),
    "schema.no-field": ("The schema has no field of that name.", "Look at `schema.names`."),
    "schema.source": (
        "No schema can be read from the object.",
        "Pass a Schema, a pydantic model, dataclass or TypedDict, a callable with type hints, or an Arrow schema.",
    ),
    "schema.hint": (
        "A type hint is missing, or describes no type of the contract.",
        "Use the types listed in docs/contract.md, or make the field by hand.",
    ),
    "schema.zone": (
        "A time zone of the schema is not known on this machine.",
        "Install its data (pip install tzdata), or correct the zone in the schema.",
    ),
    "schema.pydantic": ("pydantic is not installed.", 'Install it: pip install "modelwheel[pydantic]".'),
    "schema.arrow": (
        "An Arrow type has no counterpart in the contract.",
        "Convert the column, or make the field by hand.",
    ),
    "schema.attribute": ("A field has no such attribute.", "Look at `modelwheel.Field` in the reference."),
}


# The stable codes of all defects, each with its cause and its cure. `docs/errors.md` is checked against this table.
#
# A code never changes its meaning and is never reused; new ones are added.


class Code(NamedTuple):
    """What a code means: `cause` is why it happens, `cure` is what to do about it."""

    cause: str
    cure: str


CODES: dict[str, Code] = {
    # archive.*: the wheel file (archive/reader.py), the folder and the installation (archive/places.py), RECORD (archive/record.py)
    "archive.truncated": Code("The file is cut off, or is no wheel.", "Get the file again and compare its SHA-256."),
    "archive.form": Code(
        "The file is not in the one form that modelwheel writes, so that other readers might see something else in it.",
        "Get the bundle again from its author. A wheel that another tool packed again is not accepted.",
    ),
    "archive.compressed": Code(
        "A file in the bundle is compressed; bundles store their files, so that they can be mapped.",
        "Get the bundle as modelwheel wrote it. A wheel that another tool packed again is not accepted.",
    ),
    "archive.limit": Code(
        "The bundle asks for more than the limits allow.",
        "If you know the bundle, pass larger limits: open(…, limits=…).",
    ),
    "archive.name": Code(
        "A file in the bundle has a name that it must not have.", "Do not use this bundle: ask its author."
    ),
    "archive.layout": Code(
        "The files are not arranged as a bundle.",
        "Check that this is a model bundle, and get it again from its author.",
    ),
    "archive.record": Code(
        "RECORD is broken, or does not list exactly the files that are there.",
        "Get the bundle again, or install it again.",
    ),
    # json.*: a JSON document inside the bundle (documents.py)
    "json.invalid": Code(
        "A JSON document of the bundle is not strict JSON.", "Get the bundle again from where it was published."
    ),
    # manifest.*: manifest.json and what it declares (manifest/records.py)
    "manifest.invalid": Code(
        "The manifest breaks a rule of the format.", "Get the bundle again from its author, or pack it again."
    ),
    "manifest.format": Code(
        "The bundle is of a format that this modelwheel does not read.", "Install a newer modelwheel."
    ),
    "manifest.members": Code(
        "The manifest and the files of the bundle do not fit together.",
        "Get the bundle again from its author, or pack it again.",
    ),
    # integrity.*: digests (archive/integrity.py)
    "integrity.digest": Code(
        "Bytes of the bundle are not those that its author recorded.",
        "Do not use this copy. Get the bundle again and compare its SHA-256.",
    ),
    "integrity.replaced": Code("Another bundle lies where the pickled one was.", "Pickle the model or bundle again."),
    # trust.*: permission to run code (trust.py)
    "trust.refused": Code(
        "Loading the native model would run code of the bundle, and the caller has not said that it may.",
        "Pass trust=Trust.digests(…) with the digest of a bundle that you know, or use the ONNX runtime.",
    ),
    # resolve.*: finding what a reference means (archive/resolve.py)
    "resolve.missing": Code("There is no such file or folder.", "Check the path."),
    "resolve.unreadable": Code(
        "The operating system does not read it.", "Check permissions, disk, network and limits."
    ),
    "resolve.not-a-file": Code("The path is a pipe, a device or another special file.", "Give the path of a wheel."),
    "resolve.not-installed": Code(
        "No installed bundle has that name.", "Install it with pip, or give the path of the file."
    ),
    "resolve.not-a-bundle": Code("The installed distribution is an ordinary package.", "Check the name."),
    "resolve.twice": Code(
        "`pip install --target` adds another version without removing the one that is there; so do interrupted upgrades.",
        "In an environment, `pip uninstall` until nothing is left, and install again. Empty a folder of `--target` before.",
    ),
    "resolve.incomplete": Code(
        "`pip install --target` leaves out the files of a bundle when the folder already holds another bundle.",
        "Empty the folder and install all bundles in one call, use `uv pip install --target`, or an environment.",
    ),
    "resolve.version": Code("Another version is installed.", "Install the version that you ask for."),
    # native.*, onnx.*: the payloads and their runtimes
    "native.stream": Code(
        "The pickle of the bundle is malformed.", "Get the bundle again from its author, or pack it again."
    ),
    "native.buffers": Code(
        "The pickle and the list of its buffers do not fit together.",
        "Get the bundle again from its author, or pack it again.",
    ),
    "native.unpickle": Code(
        "The model raised an exception while it was rebuilt from its pickle.",
        "Look at the `__cause__`. Compare the package versions with `explain`, or pack the model again.",
    ),
    "native.cloudpickle": Code(
        "The model holds code by value, and cloudpickle is not installed.", 'pip install "modelwheel[pack]"'
    ),
    "native.reference": Code(
        "The model refers to something that the installed packages do not have.",
        'Install what the bundle needs: `explain` lists it, `pip install "name[native]"` does it.',
    ),
    "native.module": Code(
        "The model needs a module that is not installed.",
        'Install what the bundle needs: `explain` lists it, `pip install "name[native]"` does it.',
    ),
    "onnx.graph": Code(
        "The ONNX graph is broken, or holds something that a bundle must not.",
        "Get the bundle again; if it is as published, do not use it and ask its author.",
    ),
    "onnx.extra": Code("onnxruntime is not installed.", 'Install it: pip install "modelwheel[onnx]".'),
    "onnx.runtime": Code(
        "The installed onnxruntime is too old for the graph.", "Upgrade it: pip install --upgrade onnxruntime."
    ),
    "onnx.resources": Code(
        "The system gives onnxruntime too little memory, or too few threads: a container limits both.",
        "Raise the limits (`ulimit -u`, `ulimit -v`, those of the container), or load with SessionOptions(threads=1).",
    ),
    # environment.*: this interpreter and its packages (environments/check.py)
    "environment.python": Code(
        "The model was packed for other Python versions than this one.",
        "Run it with a Python in the range (for example `uv venv --python 3.11`), use another runtime of the bundle, "
        "or pack it again with this Python.",
    ),
    "environment.missing": Code(
        "A package that the model needs is not installed.", "Install it: the hint is the command."
    ),
    "environment.version": Code(
        "A package is installed in a version that is outside the range in which answers stay the same.",
        "Install a version in the range (the hint is the command), or pack the model again with this one.",
    ),
    # input.*, output.*, schema.*: the contract
    "input.missing-field": Code(
        "A field that the model needs is not there.", "Send the field; names must match exactly."
    ),
    "input.extra-field": Code("There is a field that the model does not have.", "Leave it out."),
    "input.no-parameter": Code("The method has no such parameter.", "Look at the parameters in `bundle.methods`."),
    "input.duplicate-field": Code("Two columns have the same name.", "Rename or drop one of them."),
    "input.wrong-type": Code("A value does not have the type of its field.", "Convert it before sending it."),
    "input.not-whole": Code(
        "A number with a fraction was sent for an integer.", "Round it yourself, if that is right."
    ),
    "input.out-of-range": Code(
        "A value does not fit its type without losing something.", "Check the value and its unit."
    ),
    "input.zone": Code("A time has a zone and should not, or the other way round.", "Send times as the schema says."),
    "input.null": Code(
        "A value is missing in a field that is never null.", "Send a value, or let the author allow null."
    ),
    "input.not-finite": Code("A number is infinite.", "Send a finite number, or null where the field allows it."),
    "input.too-small": Code("A value is below the smallest that the author allows.", "Check the value and its unit."),
    "input.too-large": Code("A value is above the largest that the author allows.", "Check the value and its unit."),
    "input.not-allowed": Code("A value is none of those that the author allows.", "Use one of the allowed values."),
    "input.pattern": Code("A text does not match the pattern of its field.", "Correct the text."),
    "input.too-short": Code("A value is shorter than the author allows.", "Check the value."),
    "input.too-long": Code("A value is longer than the author allows.", "Check the value."),
    "input.shape": Code(
        "An array has another shape than the model takes.", "Pass an array of the shape that is expected."
    ),
    "input.row-count": Code("A call has too few or too many rows.", "Send another number of rows at a time."),
    "input.not-unique": Code("Two rows have the same key.", "Send each row once."),
    "input.rows-differ": Code("Columns have different numbers of rows.", "Pass columns of one length."),
    "input.ambiguous": Code("Some values are columns and some are single.", "Pass one row, or columns, not a mix."),
    "input.container": Code("The data is of a kind that the model does not take.", "Pass what is named as expected."),
    "input.unreadable": Code(
        "An object in the data raised an error of its own when it was read.",
        "Pass plain values, arrays or tables; the error that it raised is `error.__cause__`.",
    ),
    "input.file": Code("The input file cannot be read as what it is said to be.", "Check the file and its kind."),
    "input.library": Code(
        "Parquet and Arrow files need a library that is not installed.", "Install it: pip install pyarrow."
    ),
    "input.line": Code("A line of the input file cannot be read.", "Correct the line."),
    # schema.*: schemas made or changed by hand
    **{code: Code(*texts) for code, texts in SCHEMA_CODES.items()},
    "output.type": Code(
        "The model answered with another kind of object than it did when it was packed.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.rows": Code(
        "The model did not answer one row for each row that it was given.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.shape": Code(
        "The answer has another shape than the output schema says.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.dtype": Code(
        "The answer is of another type than the output schema says.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.names": Code(
        "The names in the answer are not those of the output schema.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.null": Code(
        "The answer holds NaN, which the output schema excludes.",
        "Look at the rows that give NaN, or make the output nullable.",
    ),
    "output.infinite": Code(
        "The answer holds an infinite number, which the output schema excludes.",
        "Look at the rows that give it, or allow infinity in the output schema.",
    ),
    "output.range": Code(
        "The answer lies outside the minimum or maximum of the output schema.",
        "Look at the rows that give it, or widen the output schema.",
    ),
    "output.library": Code(
        "The library of the original's answers is not installed.",
        "Install it: `bundle.explain()` names what the model needs.",
    ),
    "examples.write": Code(
        "Golden examples hold a value that cannot be stored.",
        "Look at the fields named, or pack with other examples, or without.",
    ),
    # infer.*: a schema from a sample
    "infer.sample": Code(
        "No schema can be inferred from an object of that kind.",
        "Pass the data that the model is fed: a DataFrame, an array, a dict of arrays, or a list of texts or dicts.",
    ),
    "infer.empty": Code(
        "The sample has no rows or no columns.",
        "Pass the whole data that the model was trained or tested on.",
    ),
    "infer.lengths": Code(
        "The columns of the sample have different lengths.",
        "Give every column one value per row.",
    ),
    "infer.labels": Code(
        "The labels of the columns do not name them: they repeat, or are neither text nor integers.",
        "Rename the columns: every one needs a name of its own, as text.",
    ),
    "infer.column": Code(
        "A column holds values that no single type of the contract describes.",
        "Make all its values of one type before fitting, or leave it out of the sample where the model does not use it.",
    ),
    "infer.answer": Code(
        "A method answers with something that no output schema describes.",
        "Wrap the model in a function that answers with one array, DataFrame, dict of arrays, or value per row.",
    ),
    # predict.*: calling the model
    "predict.failed": Code(
        "The model itself raised an exception.",
        "Look at the `__cause__`: it is the model's own exception. Compare the data with the golden examples.",
    ),
    "predict.differs": Code(
        "The model's answers for the golden examples are outside the recorded tolerance.",
        "Do not serve it from this environment: compare the package versions with `explain`, or use another runtime.",
    ),
    "predict.no-method": Code("The packed object lacks a method that the bundle lists.", "Pack the model again."),
    # pack.*, write.*: authoring
    "pack.unknown-model": Code("modelwheel does not know this kind of model.", "Wrap it in a function, and pack that."),
    "pack.not-fitted": Code("The estimator has not been fitted.", "Call `fit` before `pack`."),
    "pack.name": Code("The name cannot name a distribution.", "Use letters, digits and '-', such as 'acme-churn'."),
    "pack.version": Code("The version is not one by PEP 440.", "Write such as '1.2.0' or '1.2.0rc1'."),
    "pack.about": Code("Metadata of the bundle is not valid.", "Correct the field that is named."),
    "pack.pickle": Code(
        "The model, or something in it, cannot be pickled.",
        "Remove open files, connections, locks and generators from the model, or make them in `__setstate__`.",
    ),
    "pack.extra": Code(
        "A package that packing needs is not installed, or cannot be imported.", "Install the extra that is named."
    ),
    "pack.file": Code("A model or sample file cannot be read.", "Check the file, and the library that wrote it."),
    "pack.dependency": Code(
        "The model refers to code that is neither installed nor loaded.", "Import or install it before packing."
    ),
    "pack.method": Code("The model lacks a prediction method.", "Name methods that the model has: Options(methods=…)."),
    "pack.predict": Code(
        "The model itself fails on the sample.", "Look at the `__cause__`. Is the sample what the model was fitted on?"
    ),
    "pack.schema": Code(
        "The given schema and the sample have different fields.",
        "Begin with infer_schema(sample).schema and change it.",
    ),
    "pack.parameter": Code("A parameter's default does not fit its type hint.", "Correct the default or the hint."),
    "pack.examples": Code("The golden examples cannot be had.", "Choose another source: Examples(source=…)."),
    "pack.no-runtime": Code(
        "No runtime answers as the model does.", "Allow the native runtime: Options(runtimes=('onnx', 'native'))."
    ),
    "write.exists": Code(
        "A file of that name with other content is there already.",
        "Raise the version. To replace the file all the same, pass options=Options(overwrite=True), or --overwrite.",
    ),
    "write.failed": Code(
        "The operating system refused to write the file.",
        "Make room, get the rights that it lacks, or write elsewhere.",
    ),
    # usage.*: a wrong call
    "usage.requirement": Code("The text is no requirement.", "Write 'name', 'name==1.2.0' or 'name>=1.2,<2'."),
    "usage.trust": Code("Trust is not a Boolean.", "Pass one of the policies of `modelwheel.Trust`."),
    "usage.closed": Code("The bundle or the model was closed.", "Open or load it again."),
    "usage.no-examples": Code("The bundle holds no such golden examples.", "Pack with examples, or skip the replay."),
    "usage.no-cost": Code(
        "What the runtimes cost was not measured.",
        "Pack with `Options(measure_cost=True)`, or name the runtime instead of giving `prefer`.",
    ),
    "usage.runtime": Code("No runtime has that name.", "Use one of the names listed."),
    "usage.runtime-left-out": Code(
        "The bundle was packed without that runtime.", "Use another runtime: `bundle.runtimes` lists them."
    ),
    "usage.no-method": Code("The model has no such method.", "Look at `model.methods`."),
    "usage.runtime-method": Code(
        "The bundle has that method, but not in the runtime that was loaded.", "Load the runtime that has it."
    ),
    "usage.parameter-runtime": Code(
        "A parameter was given to a runtime in which its value is fixed.",
        'Load the original: load(…, runtime="native").',
    ),
    "usage.argument": Code("An argument has a wrong type or value.", "Read the signature in the reference."),
    # isolated.*, worker.*: models in an environment of their own; pack.lock and others: what a bundle needs
    **{code: Code(*texts) for code, texts in (ISOLATED_CODES | FRAMEWORK_CODES | LOCK_CODES).items()},
}


def code(name: str) -> Code:
    """What is known of the error code `name`."""
    return CODES[name]
