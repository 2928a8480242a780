"""The procedural world: from a seed to a picture with exact masks, a scene graph and everything that is said about it.

`drawing` and `graph` hold the shared records; `kinds` draws things; `stuff`, `outdoors`, `rooms` and `backdrops` fill
what is behind them; `stage`, `cast` and `scene` lay a scene out; `raster`, `labels` and `entities` find who owns which
pixel; `texture`, `effects` and `render` make the picture; `language` speaks about it; `samples` puts picture, masks and
words into one record.
"""
