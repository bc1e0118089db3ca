"""The codes of models of frameworks beyond scikit-learn, each with its cause and its cure."""

from __future__ import annotations

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
