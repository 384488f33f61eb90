"""The entry point: `kwtui` and `python -m kwtui`."""

import sys
from pathlib import Path


def main() -> None:
    """Open the app at once, or run the command line, and exit with the code."""
    try:
        from kwtui.launch import straight

        opened = straight(sys.argv[1:])
        if opened is not None:
            sys.exit(opened)
        from kwtui.cli import run
    except KeyboardInterrupt:  # before the catalogues are there: no word, only the code
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


def _forget_working_directory() -> None:
    """`python -m` looks for every import in the working directory first: no planted modules."""
    here = Path.cwd().resolve()
    if not sys.flags.safe_path and here != Path(__file__).resolve().parent.parent:
        sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]


if __name__ == "__main__":
    _forget_working_directory()
    main()
