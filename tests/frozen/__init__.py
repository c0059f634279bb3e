"""Programs that PyInstaller makes one executable of. They run in the session ``frozen``, which has PyInstaller."""
