// A client that talks but never answers a ping.

import { connected } from "../client.mjs";

export default async function (url, { client }) {
  const socket = await connected(url, client);
  const transport = socket.transport.name;
  const send = socket._sendPacket;
  socket._sendPacket = (type, ...rest) => type !== "pong" && send.call(socket, type, ...rest);
  const end = await socket.ended;
  return { sid: socket.sid, transport, pings: socket.pings, ...end };
}
