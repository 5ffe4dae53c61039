"""Reads ONNX files, without the onnx package and without running anything."""
