"""The web studio: `mglmm demo`. A page that keeps the whole session, and a server that keeps only pictures."""
