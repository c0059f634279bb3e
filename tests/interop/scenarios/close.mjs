// Send the last words and close at once: the client says them first.

import { close, connected } from "../client.mjs";

export default async function (url, { client, words }) {
  const socket = await connected(url, client);
  const transport = socket.transport.name;
  for (const word of words) socket.send(word);
  return { sid: socket.sid, transport, ...(await close(socket)) };
}
