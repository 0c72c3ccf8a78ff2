"""`python -m rabit` is the command line."""

from __future__ import annotations

from rabit.app.cli import main

if __name__ == "__main__":
    main()
