"""Tests of exports to ONNX."""
