"""Becomes another program, once its pid has been written down. Run by path, never imported.

    python -I -S launch.py LIFETIME PARENT_PID PROGRAM [ARGUMENT...]

It waits for one byte on standard input, so that a parent that was killed between starting this
process and recording it leaves nothing behind: the end of the file means "end as well". With the
lifetime ``ephemeral`` the kernel kills the program when its parent dies, even by SIGKILL.

The kernel sends that signal when the *thread* that forked ends, which is why ``processes`` starts
every process from one thread that lives as long as the interpreter.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Wait for the word to go, then replace this process by the program."""
    lifetime, parent, program = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if lifetime == "ephemeral":
        die_with(parent)
    if os.read(0, 1) != b"g":
        sys.exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.execv(program[0], program)


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL at the parent's death; end at once where it is dead already."""
    import ctypes  # only here: it costs a third of this script's time

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit(1)


main()
