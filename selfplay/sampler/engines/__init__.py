"""Sampler engines: one interface, implementations beside it."""

from selfplay.sampler.engines.base import Sample, SamplerEngine, SampleRequest

__all__ = ["Sample", "SampleRequest", "SamplerEngine"]
