// Ask for a session that the server does not grant.

import { connect } from "../client.mjs";

export default async function (url, { client }) {
  return connect(url, client).ended;
}
