"""Sampler engines: one interface, implementations beside it."""

from selfplay.engines.base import Sample, SampleRequest, SamplerEngine

__all__ = ["Sample", "SampleRequest", "SamplerEngine"]
