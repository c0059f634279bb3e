// An echo on Node.js: the bare WebSocket library, or engine.io on it.
import { createServer } from "node:http";
import { Server } from "engine.io";
import { WebSocketServer } from "ws";

const http = createServer();
if (process.env.BENCH_KIND === "raw") {
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  });
} else {
  const server = new Server({ pingInterval: 300_000 });
  server.attach(http);
  server.on("connection", (socket) => {
    socket.on("message", (data) => socket.send(data));
  });
}
http.listen(Number(process.env.BENCH_PORT), "127.0.0.1");
