"""python-socketio on eio, with the clients of others: socket.io-client from npm, and python-socketio's own."""
