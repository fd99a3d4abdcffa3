"""Run the ``mtfs`` command as ``python -m mtfs``."""

from mtfs.cli import main

if __name__ == "__main__":
    main()
