"""eio-asgi alone, without a web server: what is hard to bring about with a real one."""
