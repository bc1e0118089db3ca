"""Runs ONNX payloads by onnxruntime."""
