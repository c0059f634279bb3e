// Queue many messages at once over polling, and note the size of every payload that the client makes of them.

import { close, connect, event, message, received } from "../client.mjs";

export default async function (url, { messages }) {
  const socket = connect(url, { transports: ["polling"] });
  const payloads = [];
  const write = socket.transport.doWrite;
  socket.transport.doWrite = (payload, done) => {
    payloads.push(Buffer.byteLength(payload));
    write.call(socket.transport, payload, done);
  };
  const [handshake] = await Promise.all([event(socket, "handshake"), event(socket, "open")]);
  for (const one of messages) socket.send(message(one));
  await received(socket, 1); // the server answers when it has them all
  await close(socket);
  return { sid: handshake.sid, maxPayload: handshake.maxPayload, payloads };
}
