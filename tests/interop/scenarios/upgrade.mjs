// Send numbers without a pause while the upgrade runs: before it, in its middle, after it. The server does the same.

import { close, connect, event, received, turn } from "../client.mjs";

export default async function (url, { client, count }) {
  const socket = connect(url, client);
  const upgraded = event(socket, "upgrade");
  const sent = [];
  const send = (many) => {
    for (; many && sent.length < count; many--) {
      sent.push(socket.transport.name);
      socket.send(`client ${sent.length - 1}`);
    }
  };
  let done = false;
  let inTheMiddle = 0;
  socket.on("upgrading", () => {
    inTheMiddle = sent.length;
    send(count / 4);
    inTheMiddle = sent.length - inTheMiddle;
  });
  socket.on("upgrade", () => {
    done = true;
    send(count / 4);
  });
  await event(socket, "open");
  const sid = socket.id;
  while (!done && sent.length < count / 4) {
    send(1);
    await turn();
  }
  await upgraded;
  while (sent.length < count) {
    send(10);
    await turn();
  }
  await received(socket, count);
  const transport = socket.transport.name;
  await close(socket);
  return { sid, transport, received: socket.received.map(({ text }) => text), sent, inTheMiddle };
}
