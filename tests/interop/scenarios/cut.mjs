// Like closed.mjs, but the network is cut: what the client leaves open then can never end.

export { default } from "./closed.mjs";
export const leavesConnections = true;
