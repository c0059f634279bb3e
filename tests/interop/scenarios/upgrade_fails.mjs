// Ask for an upgrade that fails, and see that the session is as good as before: half of the words are said while it is
// tried, the rest afterwards.

import { close, connect, event, received } from "../client.mjs";

export default async function (url, { client, words = ["still here"] }) {
  const socket = connect(url, client);
  const failed = event(socket, "upgradeError");
  await event(socket, "open");
  const sid = socket.id;
  const half = Math.floor(words.length / 2);
  for (const word of words.slice(0, half)) socket.send(word);
  await failed;
  for (const word of words.slice(half)) socket.send(word);
  await received(socket, words.length);
  const transport = socket.transport.name;
  await close(socket);
  return { sid, transport, received: socket.received };
}
