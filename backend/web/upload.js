// One upload: it goes on by itself after whatever passes by itself.
import { call, Refusal, sentence, Unreachable } from "./api.js"
import { forget, keep } from "./keeping.js"
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
	/** `kept` outlives the tab; `state`: waiting, sending, paused, stuck, absent, failed, done. */
	constructor(kept, { source = null, changed }) {
		this.kept = kept
		this.source = source
		this.changed = changed
		this.state = source ? "waiting" : "absent"
		this.sent = kept.offset ?? 0
		this.samples = []
		this.reason = ""
		this.recording = null
		this.anew = 0
		this.urged = () => {}
	}

	get size() {
		return this.source?.ended ? this.source.size : this.kept.size
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
					this.kept.url = null
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
		const { kept, source } = this
		const small = !kept.url && source.ended && source.size <= FORM_BYTES
		const told = await (small ? this.sendForm(signal) : this.sendPieces(signal))
		if (!told) return
		await this.label(told.recording, signal)
		this.recording = told.recording
		this.original = told.original
		await forget(kept.id).catch(() => {})
		this.turn("done")
	}

	async sendForm(signal) {
		const { id, name, tag, category } = this.kept
		const bytes = await readable(this.source.slice(0, this.source.size))
		this.kept.labelled = { tag, category }
		return uploadForm(bytes, { key: id, name, labels: { tag, category }, signal, onProgress: (sent) => this.progress(sent) })
	}

	/** Sends what the server doesn't have yet; nothing is returned where that was ended. */
	async sendPieces(signal) {
		const { kept, source } = this
		let told = { offset: 0, length: source.ended ? source.size : null, recording: null }
		if (kept.url) {
			told = await tus.ask(kept.url, { signal })
		} else {
			const { name, type, tag, category } = kept
			const metadata = { filename: name, filetype: type, tag, category }
			kept.labelled = { tag, category }
			kept.url = await tus.begin({ length: told.length, metadata, signal })
			await keep(kept).catch(() => {})
		}
		let lengthSaid = told.length !== null
		this.progress(told.offset)
		while (!told.recording) {
			if (!source.ended && told.offset === source.size) {
				await source.more()
				if (signal.aborted) return null
				continue
			}
			const bytes = await readable(source.slice(told.offset, Math.min(told.offset + PIECE_BYTES, source.size)))
			// The server may have a last piece that the closed tab didn't keep.
			const length = source.ended && !lengthSaid ? Math.max(source.size, told.offset) : undefined
			told = await tus.append(kept.url, bytes, { offset: told.offset, length, signal, onProgress: (sent) => this.progress(sent) })
			lengthSaid ||= length !== undefined
			this.progress(told.offset)
			kept.offset = told.offset
			if (!told.recording) await keep(kept).catch(() => {})
		}
		return told
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
		const { title, tag, category, labelled } = this.kept
		const json = title ? { title } : {}
		if (labelled && (tag !== labelled.tag || category !== labelled.category)) Object.assign(json, { tag: tag || null, category: category || null })
		if (Object.keys(json).length) await call(`/api/audio/${id}`, { method: "PATCH", json, signal })
	}

	relabel(labels) {
		Object.assign(this.kept, labels)
		keep(this.kept).catch(() => {})
	}

	/** Sends no more, and is dropped by the next tab if this one is closed. */
	discard() {
		this.kept.discarded = true
		keep(this.kept).catch(() => {})
		this.pause()
	}

	takeBack() {
		delete this.kept.discarded
		keep(this.kept).catch(() => {})
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
		await forget(this.kept.id).catch(() => {})
		if (this.kept.url && this.state !== "done") await tus.end(this.kept.url).catch(() => {})
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
