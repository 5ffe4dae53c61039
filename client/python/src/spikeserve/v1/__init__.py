"""Protobuf messages and gRPC stubs of the package spikeserve.v1, generated at install time."""
