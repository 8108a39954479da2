"""Parts of `quality.py` and `sharpness.py`: sets, methods, scores, tables, figures."""
