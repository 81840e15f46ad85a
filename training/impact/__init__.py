"""Did it help? Causal estimates of what changed at go-live, and of what could be shown beforehand.

In order of preference: a stepped-wedge by ward or site, controlled interrupted time series,
difference-in-differences; never a bare before and after. docs/impact.md says how to read each.
"""
