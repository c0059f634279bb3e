// A client that never answers a ping.

import { connect } from "../client.mjs";

export default async function (url, { client }) {
  const socket = connect(url, client);
  const send = socket._sendPacket;
  socket._sendPacket = (type, ...rest) => type !== "pong" && send.call(socket, type, ...rest);
  let sid;
  socket.on("open", () => (sid = socket.id)); // the client forgets it when it closes
  const end = await socket.ended;
  return { sid, transport: socket.transport.name, pings: socket.pings, ...end };
}
