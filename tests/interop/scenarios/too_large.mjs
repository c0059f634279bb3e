// Send what is too large, and note how the POST was answered: the poll may hear of the end before it.

import { connected } from "../client.mjs";

export default async function (url, { client, say }) {
  const socket = await connected(url, client);
  const { transport } = socket;
  const posted =
    transport.name === "polling" &&
    new Promise((resolve) => {
      const request = transport.request;
      transport.request = (options) => {
        const sent = request.call(transport, options);
        if (options?.method === "POST") sent.on("success", () => resolve(200)).on("error", resolve);
        return sent;
      };
    });
  socket.send(say);
  const { reason, code } = await socket.ended;
  return { sid: socket.sid, transport: transport.name, reason, code, status: (await posted) || null };
}
