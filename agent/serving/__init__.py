"""The parts of `agent/server.py`: protocol, streams, threads, keys and metrics of the OpenAI-compatible endpoint."""
