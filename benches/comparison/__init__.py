"""Airside beside its peers: the same files, the same clients, in turns, on this machine.

A work (`works/`) runs its sides in rounds (`rounds`), each server and each client in a process of its own (`servers`,
`processes`), and answers figures (`figures`): ours, the peer's, the median of the rounds' ratios, and what it should be
at most. Compare ratios of one run; seconds of different runs or machines say little.
"""
