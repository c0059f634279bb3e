// Stay for a number of pings, and see that the session is as good as before.

import { close, connected, event, received } from "../client.mjs";

export default async function (url, { client, pings }) {
  const socket = await connected(url, client);
  while (socket.pings < pings) await event(socket, "ping");
  socket.send("still here");
  await received(socket, 1);
  const transport = socket.transport.name;
  const { reason } = await close(socket);
  return { sid: socket.sid, transport, received: socket.received, reason };
}
