"""Sampler engines: one interface, implementations beside it."""

from selfplay.engines.base import Sample, SamplerEngine, SampleRequest

__all__ = ["Sample", "SampleRequest", "SamplerEngine"]
