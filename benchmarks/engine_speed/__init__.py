"""Parts of `engine.py`: the machine, what is timed, the report."""
