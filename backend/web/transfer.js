// Sends bytes by XMLHttpRequest: fetch tells no progress.
import { address, refusal, unreachable, watch } from "./api.js"

/** The request, once it is answered well. `onProgress` is called with how much of the body is sent. */
export function transfer(method, url, body, { headers, signal, onProgress }) {
	return new Promise((resolve, reject) => {
		const sending = new XMLHttpRequest()
		sending.open(method, address(url))
		for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value)
		sending.upload.onprogress = ({ loaded }) => onProgress(loaded)
		sending.onload = () => {
			watch.answered()
			if (sending.status < 300) resolve(sending)
			else reject(refusal(sending.status, sending.responseText, sending.getResponseHeader("Retry-After")))
		}
		sending.onerror = () => reject(unreachable())
		sending.onabort = () => reject(new DOMException("", "AbortError"))
		signal.addEventListener("abort", () => sending.abort(), { once: true })
		if (signal.aborted) reject(new DOMException("", "AbortError"))
		else sending.send(body)
	})
}

/** Uploads a whole recording in one request. Sent again under the same key it is the same recording. */
export async function uploadForm(bytes, { key, name, labels, signal, onProgress }) {
	const form = new FormData()
	for (const [label, text] of Object.entries(labels)) if (text) form.append(label, text)
	form.append("file", bytes, name)
	const headers = { "Idempotency-Key": key }
	const sent = (count) => onProgress(Math.min(count, bytes.size))
	const { responseText } = await transfer("POST", "/api/audio/upload", form, { headers, signal, onProgress: sent })
	const { id, duplicate_of } = JSON.parse(responseText)
	return { offset: bytes.size, length: bytes.size, recording: id, original: duplicate_of?.id ?? null }
}
