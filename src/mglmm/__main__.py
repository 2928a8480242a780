"""`python -m mglmm` is `mglmm`."""

from mglmm.cli import main

if __name__ == "__main__":
    main()
