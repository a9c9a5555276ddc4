"""`python -m mssnet_edu` does what the command `mssnet-edu` does."""

from mssnet_edu.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
