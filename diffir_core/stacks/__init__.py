"""Stacks of planes: named axes, sources, sinks, and the way from one to the other."""
