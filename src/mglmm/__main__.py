"""`python -m mglmm` is `mglmm`."""

import sys

from mglmm.cli import main

if __name__ == "__main__":
    sys.exit(main())
