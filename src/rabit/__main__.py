"""The command line: `rabit`, or `python -m rabit`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; Ctrl-C while it loads ends it as Ctrl-C later does."""
    try:
        from rabit.app.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
