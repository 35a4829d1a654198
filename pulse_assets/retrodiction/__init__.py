"""The retrodiction engine: forecast the past from what was known then, combine, score, trust.

NumPy, SciPy and numba only: neither Dagster, Dask nor storage is known here. Start with
`retrodict.retrodict`; the rules are in `rules.RULES`, the scores in `scores.METRICS`.
"""
