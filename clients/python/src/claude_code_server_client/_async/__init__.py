"""The client for asyncio. `_sync` is generated from this folder by generate.py, but for this file and `io.py`."""
