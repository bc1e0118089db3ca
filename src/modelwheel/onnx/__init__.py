"""ONNX payloads: graphs converted from models (`convert`), and their large weights taken out (`externalize`)."""
