// What an editor shows: yaml-language-server, over its standard input and output, on the examples and on wrong files.
//
//   npm install --prefix DIR yaml-language-server && node tests/editor.mjs DIR
//
// Without the package it says so and ends with 0: it is no part of what is needed to build or test.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(import.meta.dirname, "..");
const server = join(resolve(process.argv[2] ?? root), "node_modules/.bin/yaml-language-server");
if (!existsSync(server)) {
  console.log("skipped: yaml-language-server is not installed (npm install --prefix DIR yaml-language-server)");
  process.exit(0);
}
const child = spawn(server, ["--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
const shown = new Map();
let buffer = Buffer.alloc(0);
const send = (message) => {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message });
  child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
};
let last = 0;
const ask = (method, params) =>
  new Promise((done) => {
    waiting.set(++last, done);
    send({ id: last, method, params });
  });
const settings = { yaml: { validate: true, hover: true, completion: true, schemaStore: { enable: false } } };
child.stdout.on("data", (data) => {
  buffer = Buffer.concat([buffer, data]);
  for (;;) {
    const end = buffer.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/Content-Length: (\d+)/.exec(buffer.subarray(0, end))[1]);
    if (buffer.length < end + 4 + length) return;
    const message = JSON.parse(buffer.subarray(end + 4, end + 4 + length));
    buffer = buffer.subarray(end + 4 + length);
    if (message.method === "textDocument/publishDiagnostics") {
      shown.get(message.params.uri)?.(message.params.diagnostics);
    } else if (message.method === "workspace/configuration") {
      const result = message.params.items.map(({ section }) => settings[section] ?? {});
      send({ id: message.id, result });
    } else if (message.method && message.id !== undefined) {
      send({ id: message.id, result: null });
    } else if (waiting.has(message.id)) {
      waiting.get(message.id)(message.result);
    }
  }
});
const limit = setTimeout(() => {
  console.error("the server gave no answer within two minutes");
  process.exit(1);
}, 120_000);

await ask("initialize", { processId: process.pid, rootUri: pathToFileURL(root).href, capabilities: { workspace: { configuration: true } }, initializationOptions: {} });
send({ method: "initialized", params: {} });
send({ method: "workspace/didChangeConfiguration", params: { settings } });
const open = (uri, text) =>
  new Promise((done) => {
    shown.set(uri, done);
    send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text } } });
  });
let wrong = 0;
const check = (good, what) => {
  console.log(`${good ? "ok" : "WRONG"}: ${what}`);
  wrong += good ? 0 : 1;
};

const folders = ["examples", "examples/fleet", "examples/gitops/hosts"];
for (const folder of folders) {
  for (const name of readdirSync(join(root, folder)).filter((name) => name.endsWith(".yaml"))) {
    const path = join(root, folder, name);
    const found = await open(pathToFileURL(path).href, readFileSync(path, "utf8"));
    check(found.length === 0, `${folder}/${name}: ${found.map((one) => one.message).join("; ") || "nothing is marked"}`);
  }
}

const schema = (kind) => `# yaml-language-server: $schema=${pathToFileURL(join(root, `schemas/${kind}.schema.json`)).href}\napiVersion: heliostat/v1\n`;
const manifest = (target) =>
  `${schema("manifest")}kind: Manifest\nsources:\n  a:\n    path: /a\n    targets:\n      t:\n        url: file:///b\n        ${target}\n`;
const cases = [
  ["a misspelt key", manifest("bandwith: 1MiB/s"), 9],
  ["a word that is none", manifest("delete: sometimes"), 9],
  ["a size without a unit", manifest("bandwidth: 40"), 9],
  ["a misspelt key of an agent file", `${schema("agent")}kind: Agent\nwatchManifest: true\n`, 3],
  ["a bound of an agent file", `${schema("agent")}kind: Agent\nlimits: {transfers: 0}\n`, 3],
];
for (const [name, text, line] of cases) {
  const found = await open(`file:///tmp/${name.replaceAll(" ", "-")}.yaml`, text);
  check(found.some((one) => one.range.start.line === line), `${name}: ${found.map((one) => `line ${one.range.start.line + 1}: ${one.message}`).join("; ") || "nothing is marked"}`);
}

const uri = "file:///tmp/help.yaml";
await open(uri, manifest("delete: mirror"));
const hover = await ask("textDocument/hover", { textDocument: { uri }, position: { line: 9, character: 10 } });
check(/Whatever the source has not/.test(JSON.stringify(hover)), `what a word means: ${JSON.stringify(hover?.contents).slice(0, 120)}`);
send({ method: "textDocument/didChange", params: { textDocument: { uri, version: 2 }, contentChanges: [{ text: manifest("delete: ") }] } });
const offered = await ask("textDocument/completion", { textDocument: { uri }, position: { line: 9, character: 16 } });
const words = (offered?.items ?? []).map((item) => item.label.replaceAll('"', ""));
check(["never", "propagate", "mirror"].every((word) => words.includes(word)), `words for a key: ${words.join(", ")}`);
clearTimeout(limit);
child.kill();
process.exit(wrong ? 1 : 0);
