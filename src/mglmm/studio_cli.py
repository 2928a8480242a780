"""The command `mglmm demo`. As in `cli`, everything heavy is imported inside the command."""
