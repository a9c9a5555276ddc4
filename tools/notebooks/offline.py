"""Run a command with the network blocked: nothing but this machine can be reached.

    python -m tools.notebooks.offline pytest tests/unit

Where Linux allows it, the command gets a network of its own that holds only 127.0.0.1, so no
library can slip through. Elsewhere every Python process refuses to connect to other machines.
The variable MSSNET_EDU_OFFLINE tells the command which of the two it is.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUARD = ROOT / "tests" / "offline"
OWN_NETWORK = ["unshare", "--map-root-user", "--net"]


def blocked(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return (command, environment) that run `command` with the network blocked."""
    if sys.platform.startswith("linux") and shutil.which("unshare"):
        probe = [*OWN_NETWORK, sys.executable, __file__, "--inside", "true"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            inside = [*OWN_NETWORK, sys.executable, __file__, "--inside", *command]
            return inside, {**os.environ, "MSSNET_EDU_OFFLINE": "namespace"}
    path = os.pathsep.join([str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])])
    return command, {**os.environ, "PYTHONPATH": path, "MSSNET_EDU_OFFLINE": "guard"}


def raise_loopback() -> None:
    """Switch 127.0.0.1 on: in a new network it is there but down."""
    import fcntl
    import socket
    import struct

    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", up_and_running))


def main() -> None:
    """Run the command of the command line."""
    if sys.argv[1:2] == ["--inside"]:
        raise_loopback()
        os.execvp(sys.argv[2], sys.argv[2:])
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command, environment = blocked(sys.argv[1:])
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
