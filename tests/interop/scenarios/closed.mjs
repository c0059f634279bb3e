// Say something and wait until the session ends, by whatever the server, the network or the clock does.

import { connected } from "../client.mjs";

export default async function (url, { client, say = [] }) {
  const socket = await connected(url, client);
  const transport = socket.transport.name;
  for (const word of say) socket.send(word);
  const end = await socket.ended;
  return { sid: socket.sid, transport, received: socket.received, pings: socket.pings, ...end };
}
