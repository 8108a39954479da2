"""`python -m diffir_core` is `diffir`; torchrun starts it so on every process."""

from __future__ import annotations

from diffir_core.cli import main

if __name__ == "__main__":
    main()
