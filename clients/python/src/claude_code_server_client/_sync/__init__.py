"""The client for threads. Generated from `_async` by generate.py, but for this file and `io.py`."""
