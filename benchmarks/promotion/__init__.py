"""Promotion rules compared in simulated worlds: the worlds, the rules, and the record of all versions."""
