// One upload: it goes on by itself after whatever passes by itself.
import { call, Refusal, sentence, Unreachable } from "./api.js"
import { deleteUpload, saveUpload } from "./upload_store.js"
import { uploadForm } from "./transfer.js"
import * as tus from "./tus.js"

const FORM_BYTES = 1024 * 1024 // up to so many go in one request
const PIECE_BYTES = 8 * 1024 * 1024
const RATE_SECONDS = 4 // over which the speed is taken
const FIRST_WAIT = 1000
const LONGEST_WAIT = 15_000
const BEGUN_ANEW = 3
const PASSING = new Set([408, 423, 429, 500, 502, 503, 504])
const AGAIN = new Set(["upload-taken-over", "offset-mismatch", "outcome-unknown"])

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

export class Upload {
	/** `record` outlives the tab; `state`: waiting, sending, paused, stuck, absent, failed, done. */
	constructor(record, { source = null, changed }) {
		this.record = record
		this.source = source
		this.changed = changed
		this.state = source ? "waiting" : "absent"
		this.sent = record.offset ?? 0
		this.samples = []
		this.reason = ""
		this.recording = null
		this.anew = 0
		this.urged = () => {}
	}

	get size() {
		return this.source?.ended ? this.source.size : this.record.size
	}

	/** Whether it is a recording that still goes on: how long it gets isn't known. */
	get growing() {
		return this.source?.ended === false
	}

	/** Bytes a second, lately. */
	get speed() {
		const [first, last] = [this.samples[0], this.samples.at(-1)]
		if (!first || last.at - first.at < 300) return 0
		return ((last.sent - first.sent) / (last.at - first.at)) * 1000
	}

	turn(state, reason = "") {
		this.state = state
		this.reason = reason
		if (state !== "sending") this.samples = []
		this.changed(this)
	}

	/** Sends until the upload is done, paused or has failed. */
	async run() {
		this.control = new AbortController()
		const { signal } = this.control
		this.turn("sending")
		for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
			const before = this.sent
			try {
				return await this.send(signal)
			} catch (error) {
				if (signal.aborted) return
				if (this.sent > before) wait = FIRST_WAIT
				if (error instanceof Refusal && error.status === 404 && this.anew++ < BEGUN_ANEW) {
					this.record.url = null
				} else if (!passes(error)) {
					return this.turn("failed", sentence(error))
				} else if (!AGAIN.has(error.type)) {
					this.turn("stuck", error instanceof Unreachable ? "Connection lost. Trying again…" : sentence(error))
					await Promise.race([pause(Math.max(wait, (error.retryAfter ?? 0) * 1000)), new Promise((go) => (this.urged = go))])
					if (signal.aborted) return
				}
				this.turn("sending")
			}
		}
	}

	async send(signal) {
		const { record, source } = this
		const small = !record.url && source.ended && source.size <= FORM_BYTES
		const answer = await (small ? this.sendForm(signal) : this.sendPieces(signal))
		if (!answer) return
		await this.label(answer.recording, signal)
		this.recording = answer.recording
		this.original = answer.original
		await deleteUpload(record.id).catch(() => {})
		this.turn("done")
	}

	async sendForm(signal) {
		const { id, name, tag, category } = this.record
		const bytes = await readable(this.source.slice(0, this.source.size))
		this.record.labelled = { tag, category }
		return uploadForm(bytes, { key: id, name, labels: { tag, category }, signal, onProgress: (sent) => this.progress(sent) })
	}

	/** Sends what the server doesn't have yet; nothing is returned where that was ended. */
	async sendPieces(signal) {
		const { record, source } = this
		let answer = { offset: 0, length: source.ended ? source.size : null, recording: null }
		if (record.url) {
			answer = await tus.ask(record.url, { signal })
		} else {
			const { name, type, tag, category } = record
			const metadata = { filename: name, filetype: type, tag, category }
			record.labelled = { tag, category }
			record.url = await tus.begin({ length: answer.length, metadata, signal })
			await saveUpload(record).catch(() => {})
		}
		let lengthSent = answer.length !== null
		this.progress(answer.offset)
		while (!answer.recording) {
			if (!source.ended && answer.offset === source.size) {
				await source.more()
				if (signal.aborted) return null
				continue
			}
			const bytes = await readable(source.slice(answer.offset, Math.min(answer.offset + PIECE_BYTES, source.size)))
			// The server may have a last piece that the closed tab didn't keep.
			const length = source.ended && !lengthSent ? Math.max(source.size, answer.offset) : undefined
			answer = await tus.append(record.url, bytes, { offset: answer.offset, length, signal, onProgress: (sent) => this.progress(sent) })
			lengthSent ||= length !== undefined
			this.progress(answer.offset)
			record.offset = answer.offset
			if (!answer.recording) await saveUpload(record).catch(() => {})
		}
		return answer
	}

	progress(sent) {
		this.sent = sent
		const at = performance.now()
		this.samples.push({ at, sent })
		this.samples = this.samples.filter((sample) => at - sample.at < RATE_SECONDS * 1000)
		this.changed(this)
	}

	/** Gives the recording its title, and the labels that were changed after the upload began. */
	async label(id, signal) {
		const { title, tag, category, labelled } = this.record
		const json = title ? { title } : {}
		if (labelled && (tag !== labelled.tag || category !== labelled.category)) Object.assign(json, { tag: tag || null, category: category || null })
		if (Object.keys(json).length) await call(`/api/audio/${id}`, { method: "PATCH", json, signal })
	}

	relabel(labels) {
		Object.assign(this.record, labels)
		saveUpload(this.record).catch(() => {})
	}

	/** Sends no more, and is dropped by the next tab if this one is closed. */
	discard() {
		this.record.discarded = true
		saveUpload(this.record).catch(() => {})
		this.pause()
	}

	takeBack() {
		delete this.record.discarded
		saveUpload(this.record).catch(() => {})
	}

	pause() {
		this.control?.abort()
		this.urged()
		this.turn("paused")
	}

	/** Tries again now, if it waits to. */
	urge() {
		if (this.state === "stuck") this.urged()
	}

	async cancel() {
		this.control?.abort()
		this.urged()
		await deleteUpload(this.record.id).catch(() => {})
		if (this.record.url && this.state !== "done") await tus.end(this.record.url).catch(() => {})
	}
}

/** Whether trying again may help. */
function passes(error) {
	if (error instanceof Unreachable) return true
	return error instanceof Refusal && (PASSING.has(error.status) || error.status === 401 || AGAIN.has(error.type))
}

/** The bytes, where they can still be read: a file may have been moved or changed. */
async function readable(bytes) {
	await bytes.slice(0, 1).arrayBuffer().catch(() => {
		throw new Error("The file can't be read any more.")
	})
	return bytes
}
