"""The domains: what is asked, how it is scored and measured. `base.Domain` is what one must be.

Nothing is imported here: the configuration reads the domains' sections while it is made itself.
"""
