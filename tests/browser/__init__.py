"""A real browser, Chromium, with the official client in its pages."""
