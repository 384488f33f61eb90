"""`python -P -m kwtui.services SERVICE PIPE LIFE`: the process of one service."""

import faulthandler
import sys

from kwtui.services.loop import Loop, hold_life


def main(service: str, pipe: str, life: str) -> None:
    """Serve at the file descriptors that the starting process left open."""
    faulthandler.enable()
    hold_life(int(life))
    Loop(service, int(pipe)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
