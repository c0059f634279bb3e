// Send each message and wait for its echo; then all at once, so that payloads carry several packets.

import { close, connected, message, received } from "../client.mjs";

export default async function (url, { client, messages }) {
  const socket = await connected(url, client);
  for (const one of messages) {
    socket.send(message(one));
    await received(socket, socket.received.length + 1);
  }
  for (const one of messages) socket.send(message(one));
  await received(socket, 2 * messages.length);
  const transport = socket.transport.name;
  const { reason } = await close(socket);
  return { sid: socket.sid, transport, received: socket.received, reason };
}
