"""Parts of `benchmarks/quality.py`: sets, methods, scores, tables and the figure."""
