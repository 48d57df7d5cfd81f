// Uses the client that openapi-ts makes of /openapi.json: node generated.js BASE_URL FILE [TOKEN]; prints what came of it.

import { readFile } from "node:fs/promises";
import { client } from "./client/client.gen.js";
import { appendToUpload, createUpload, download, listRecordings, upload } from "./client/index.js";

const [baseUrl, path, token] = process.argv.slice(2);
client.setConfig({ baseUrl, ...(token && { auth: () => token }) });
const memo = new File([await readFile(path!)], "Grüße, مذكرة.m4a", { type: "audio/mp4" });

const { data: uploaded } = await upload({ body: { file: memo, tag: "Work" }, throwOnError: true });
const { data: page } = await listRecordings({ query: { tag: "Work" }, throwOnError: true });
const { data: bytes } = await download({ path: { recording_id: uploaded.id }, parseAs: "arrayBuffer", throwOnError: true });

const tus = { "Tus-Resumable": "1.0.0" } as const;
const begun = await createUpload({ headers: { ...tus, "Upload-Length": memo.size } });
const upload_id = begun.response!.headers.get("location")!.split("/").pop()!;
const ended = await appendToUpload({ path: { upload_id }, body: memo, headers: { ...tus, "Upload-Offset": 0 } });

const { error } = await upload({ body: { file: new File(["no sound"], "notes.txt") } });
console.log(
  JSON.stringify({
    name: uploaded.original_filename,
    listed: page.items.map((item) => item.id === uploaded.id),
    downloaded: (bytes as unknown as ArrayBuffer).byteLength,
    statuses: [begun.response!.status, ended.response!.status],
    refused: error?.type,
  }),
);
