// Runs one scenario against a server: node run.mjs SCENARIO URL < OPTIONS, a JSON object
//
// What the scenario returns is printed as one line of JSON, and the process ends by itself: a request or a WebSocket
// that the server leaves open would keep it alive, and is therefore a failure too. Exit 1: the scenario failed, or gave
// no result in time. Exit 2: it gave one, and a connection stayed open. Standard error says why, and what happened.

import { readFileSync } from "node:fs";
import { story } from "./client.mjs";

const RESULT_WITHIN = 20_000; // ms; every scenario needs less than two seconds
const END_WITHIN = 5_000; // ms after the result

const [name, url] = process.argv.slice(2);

function fail(code, reason) {
  console.error(`${name}: ${reason}\n${story.map((line) => `  ${line}`).join("\n")}`);
  process.exit(code);
}

process.on("uncaughtException", (error) => fail(1, error.message ?? error));
process.on("unhandledRejection", (error) => fail(1, error.message ?? error));

const deadline = setTimeout(() => fail(1, `no result within ${RESULT_WITHIN} ms`), RESULT_WITHIN);
const { default: scenario, leavesConnections = false } = await import(`./scenarios/${name}.mjs`);
const result = await scenario(url, JSON.parse(readFileSync(0, "utf-8")));
clearTimeout(deadline);

process.stdout.write(`${JSON.stringify(result)}\n`, () => {
  if (leavesConnections) process.exit(0);
  setTimeout(() => fail(2, `a connection is still open ${END_WITHIN} ms after the end`), END_WITHIN).unref();
});
