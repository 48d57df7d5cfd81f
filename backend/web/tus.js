// tus 1.0: an upload is begun, asked about, appended to, ended.
import { request } from "./api.js"
import { transfer } from "./transfer.js"

const VERSION = { "Tus-Resumable": "1.0.0" }
const BYTES = { "Content-Type": "application/offset+octet-stream" }

/** Begins an upload, of unknown length where `length` is null. Returns its path: the page knows better how to reach the server. */
export async function begin({ length, metadata, signal }) {
	const pairs = Object.entries(metadata).filter(([, text]) => text)
	const headers = {
		...VERSION,
		...(length === null ? { "Upload-Defer-Length": "1" } : { "Upload-Length": String(length) }),
		"Upload-Metadata": pairs.map(([key, text]) => `${key} ${base64(text)}`).join(","),
	}
	const begun = await request("/api/uploads", { method: "POST", headers, signal })
	return `/api/uploads/${begun.headers.get("Location").split("/").pop()}`
}

/** How much of an upload is there, and its recording. */
export async function ask(url, { signal } = {}) {
	const { headers } = await request(url, { method: "HEAD", headers: VERSION, signal })
	return state(headers.get.bind(headers))
}

export async function end(url) {
	await request(url, { method: "DELETE", headers: VERSION, keepalive: true })
}

/** Appends bytes, with the `length` once it is known. */
export async function append(url, bytes, { offset, length, signal, onProgress }) {
	const headers = { ...VERSION, ...BYTES, "Upload-Offset": String(offset) }
	if (length !== undefined) headers["Upload-Length"] = String(length)
	const sent = (count) => onProgress(offset + Math.min(count, bytes.size))
	const answered = await transfer("PATCH", url, bytes, { headers, signal, onProgress: sent })
	return state((name) => answered.getResponseHeader(name))
}

function state(header) {
	const length = header("Upload-Length")
	return {
		offset: Number(header("Upload-Offset")),
		length: length === null ? null : Number(length),
		recording: header("Upload-Recording-Id"),
		original: header("Upload-Duplicate-Of"),
	}
}

function base64(text) {
	return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
