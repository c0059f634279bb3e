// What the demo's page does: measure, with what the server knows riding along, and send bytes.

import { close, connected, message, received } from "../client.mjs";

export default async function (url, { client, bytes }) {
  const socket = await connected(url, client);
  socket.send(JSON.stringify({ rtt: 1 }));
  socket.send(message(bytes));
  await received(socket, 3); // with the number of clients, which every client is told
  await close(socket);
  return { received: socket.received };
}
