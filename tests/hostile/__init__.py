"""Hostile clients, faults and load, against every integration and server over real sockets."""
