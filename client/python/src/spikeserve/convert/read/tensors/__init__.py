"""Builds graphs of layers from tensor operations: what the readers of ONNX files and torch modules share."""
