"""The server: `mglmm serve` answers the API of OpenAI's chat completions, with the masks as an extension.

`run` starts it; `app` holds the routes, `openai` what goes over the wire, `limits` what a request may cost, `reading`
turns a request into a question, `pictures` and `fetch` its picture, `replying` the engine's events into a reply;
`service` is what lies between, `observing` logs and metrics.
"""
