"""Do sampler, learner and a plain forward of a model agree?"""
