// Ask for an upgrade that fails, and see that the session is as good as before.

import { close, connect, event, received } from "../client.mjs";

export default async function (url, { client }) {
  const socket = connect(url, client);
  await event(socket, "upgradeError");
  const sid = socket.id;
  socket.send("still here");
  await received(socket, 1);
  const transport = socket.transport.name;
  await close(socket);
  return { sid, transport, received: socket.received };
}
