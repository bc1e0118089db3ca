"""ONNX files: walked before any runtime sees them, then run by onnxruntime."""
