"""aiohttp on uvloop."""

import uvloop

from .aiohttp import main

if __name__ == "__main__":
    uvloop.install()
    main()
