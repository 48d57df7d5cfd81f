// Uploads a file by tus-js-client and prints the upload's address: node upload.mjs ENDPOINT PROTOCOL FILE HOW
// HOW: `whole` sends all with the creation, `pieces` some at a time, `resumed` breaks off and goes on with a new client,
// `slowly` takes its time, so that the server can be killed meanwhile.

import { readFile } from "node:fs/promises";
import * as tus from "tus-js-client";

const [endpoint, protocol, path, how] = process.argv.slice(2);
const content = await readFile(path);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function upload(options = {}) {
  return new Promise((resolve, reject) => {
    const client = new tus.Upload(content, {
      endpoint,
      protocol,
      metadata: { filename: "Mémo.wav", tag: "Work" },
      retryDelays: Array(1000).fill(200),
      storeFingerprintForResuming: false,
      chunkSize: how === "whole" ? Infinity : 300_000,
      uploadDataDuringCreation: how === "whole",
      onError: reject,
      onSuccess: () => resolve(client.url),
      ...(how === "slowly" && { onBeforeRequest: () => pause(100) }),
      ...options,
    });
    options.onCreated?.(client, resolve);
    client.start();
  });
}

function broken(client, resolve) {
  client.options.onChunkComplete = async (_size, accepted) => {
    if (accepted >= content.length / 2) {
      await client.abort();
      resolve(client.url);
    }
  };
}

if (how === "slowly") console.log("begun");
const uploadUrl = how === "resumed" ? await upload({ onCreated: broken }) : null;
console.log(uploadUrl ? await upload({ uploadUrl }) : await upload());
