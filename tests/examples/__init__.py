"""The programs of ``examples/``, as a newcomer meets them: started by their command, used, and stopped."""
