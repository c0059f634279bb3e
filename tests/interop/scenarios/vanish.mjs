// A process that ends without a word, its poll parked or its WebSocket open.

import { connected, event } from "../client.mjs";

export const leavesConnections = true;

export default async function (url, { client }) {
  const socket = await connected(url, client);
  for (const word of ["I", "am", "here"]) {
    socket.send(word);
    await event(socket, "drain"); // over polling: answered, so the poll that was sent before it is parked
  }
  return { sid: socket.sid, transport: socket.transport.name };
}
