// The player: one recording, with its waveform and transcript.
import { address, call, Refusal, sentence } from "./api.js"
import { $, icon, make, on, say } from "./dom.js"
import { fullDate, nameOf, size } from "./format.js"
import { chips } from "./row.js"
import { TranscriptView } from "./transcript.js"
import { Waveform } from "./waveform.js"

const SKIP = 10
const UNDER_WAY = new Set(["uploaded", "transcribing", "improving"])
const narrow = matchMedia("(max-width: 60rem)")
const WAITING = {
	uploaded: "The transcript will be here once the recording has been processed.",
	transcribing: "The recording is being transcribed…",
	improving: "The transcript is being improved…",
	completed: "This recording has no transcript.",
}

export class Player {
	/** `changed({id, playing})`: what plays; `closed`: the player is left on a phone. */
	constructor({ changed, closed }) {
		this.audio = $("audio")
		this.changed = changed
		this.closed = closed
		this.recording = null
		this.waveform = new Waveform({ seek: (seconds, how) => this.seek(seconds, how), toggle: () => this.toggle() })
		this.transcript = new TranscriptView({ seek: (seconds) => this.seek(seconds, { done: true, play: true }) })
		this.listen()
	}

	listen() {
		const { audio } = this
		on("play", "click", () => this.toggle())
		on("skip-back", "click", () => this.seek(audio.currentTime - SKIP, { done: true }))
		on("skip-on", "click", () => this.seek(audio.currentTime + SKIP, { done: true }))
		on("speed", "change", () => (audio.playbackRate = audio.defaultPlaybackRate = Number($("speed").value)))
		on("player-close", "click", () => this.leave())
		on("player", "keydown", (event) => event.key === "Escape" && $("player").classList.contains("open") && this.leave())
		for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, () => this.turned())
		for (const event of ["timeupdate", "seeked", "loadedmetadata", "durationchange"]) audio.addEventListener(event, () => this.draw())
		audio.addEventListener("loadedmetadata", () => this.note(this.damage))
		audio.addEventListener("error", () => this.failed())
		narrow.addEventListener("change", () => this.cover($("player").classList.contains("open")))
	}

	/** Plays a recording; the one that is in it goes on or stops. */
	async open(recording, { play = false } = {}) {
		this.cover(true)
		if (this.recording?.id === recording.id) {
			if (play) this.toggle()
			return
		}
		this.recording = recording
		this.note(this.damage)
		this.transcript.clear()
		this.describe()
		$("player-none").hidden = true
		$("player-some").hidden = false
		this.waveform.show(null)
		this.load({ play })
		this.changed({ id: recording.id, playing: false })
		if (narrow.matches) $("play").focus({ preventScroll: true })
		await Promise.all([this.loadWaveform(), this.loadTranscript()])
	}

	load({ play = false, variant = "playback" } = {}) {
		this.variant = variant
		this.wish = play
		this.audio.src = address(`/api/audio/${this.recording.id}/download?variant=${variant}`)
		this.audio.defaultPlaybackRate = Number($("speed").value)
		if (play) this.audio.play().catch(() => {})
		this.draw()
	}

	describe() {
		const { recording } = this
		say("player-name", nameOf(recording))
		const { upload_timestamp: came, file_size_bytes: bytes } = recording
		say("player-about", [came && fullDate(came), bytes && size(bytes)].filter(Boolean).join(" · "))
		$("player-labels").replaceChildren(...chips(recording).children)
		const place = address(`/api/audio/${recording.id}`)
		const spoken = recording.transcription_engine ? ["txt", "srt", "vtt"] : []
		const links = [
			["Original", `${place}/download`],
			...spoken.map((form) => [form.toUpperCase(), `${place}/transcript?format=${form}`]),
		]
		$("saves").replaceChildren(...links.map(([text, href]) => make("a", { href, download: "" }, icon("down"), text)))
	}

	async loadWaveform() {
		const { id } = this.recording
		const data = await call(`/api/audio/${id}/waveform`).catch(() => null)
		if (this.recording?.id === id) this.waveform.show(data)
	}

	async loadTranscript() {
		const { id, processing_status: status, error_message: problem } = this.recording
		const about = status === "failed" ? `Processing failed: ${problem ?? "the reason isn't known."}` : WAITING[status]
		try {
			const [document, told] = await Promise.all([
				call(`/api/audio/${id}/transcript?format=json`),
				call(`/api/audio/${id}/transcript`),
			])
			if (this.recording?.id !== id) return
			this.transcript.show(document, told.is_improved ? told.transcript : null)
			this.transcript.at(this.audio.currentTime)
		} catch (error) {
			if (this.recording?.id !== id) return
			const missing = error instanceof Refusal && error.status === 404
			this.transcript.clear(missing ? about : sentence(error))
		}
	}

	/** Takes in a change of the recording that is in it. */
	tell(change, changed) {
		if (this.recording?.id !== changed.id) return
		if (change === "deleted") return this.eject()
		const before = this.recording
		this.recording = { ...before, ...changed }
		this.describe()
		this.draw()
		if (before.processing_status !== this.recording.processing_status) {
			this.loadTranscript()
			if (this.damage) this.note(this.damage)
		}
		if (change === "examined" || change === "progressed") {
			if (!this.waveform.peaks) this.loadWaveform()
			if (this.audio.error || this.variant === "original") this.reload()
		}
	}

	/** What browsers play may be there now. */
	reload() {
		const { currentTime, paused } = this.audio
		this.load({ play: !paused || this.wish })
		if (currentTime) this.audio.addEventListener("loadedmetadata", () => (this.audio.currentTime = currentTime), { once: true })
	}

	eject() {
		this.recording = null
		this.audio.pause()
		this.audio.removeAttribute("src")
		$("player-none").hidden = false
		$("player-some").hidden = true
		this.cover(false)
		this.changed({ id: null, playing: false })
	}

	leave() {
		this.audio.pause()
		this.cover(false)
		this.closed(this.recording?.id)
	}

	/** On a phone it lies over the page. */
	cover(open) {
		$("player").classList.toggle("open", open)
		for (const part of document.querySelectorAll(".bar, .column, .skip")) part.inert = open && narrow.matches
	}

	/** Says that not all of it could be read. */
	get damage() {
		const { processing_status: status, error_message: message } = this.recording ?? {}
		return status === "completed" ? (message ?? "") : ""
	}

	get duration() {
		return Number.isFinite(this.audio.duration) ? this.audio.duration : (this.recording?.duration_seconds ?? 0)
	}

	toggle() {
		this.wish = this.audio.paused
		if (this.audio.paused) this.audio.play().catch(() => {})
		else this.audio.pause()
	}

	seek(seconds, { done, play = false } = {}) {
		const to = Math.min(Math.max(0, seconds), this.duration || 0)
		if (this.audio.readyState) this.audio.currentTime = to
		if (done && play && this.audio.paused) this.audio.play().catch(() => {})
		this.waveform.at(to, this.duration)
		this.transcript.at(to)
	}

	turned() {
		const playing = !this.audio.paused
		$("play").replaceChildren(icon(playing ? "pause" : "play"))
		$("play").setAttribute("aria-label", playing ? "Pause" : "Play")
		this.changed({ id: this.recording?.id ?? null, playing })
		if (playing) requestAnimationFrame(() => this.follow())
	}

	/** Follows the sound by words: the browser's events come four times a second. */
	follow() {
		if (this.audio.paused) return
		this.draw()
		requestAnimationFrame(() => this.follow())
	}

	draw() {
		if (!this.recording) return
		this.waveform.at(this.audio.currentTime, this.duration)
		this.transcript.at(this.audio.currentTime)
	}

	async failed() {
		if (!this.recording || !this.audio.hasAttribute("src")) return
		if (this.variant === "playback" && UNDER_WAY.has(this.recording.processing_status)) {
			return this.load({ play: this.wish, variant: "original" })
		}
		const { id } = this.recording
		const about = UNDER_WAY.has(this.recording.processing_status)
			? "This browser can't play it yet: it is being made ready."
			: await call(`/api/audio/${id}`).then(() => "This browser can't play this recording. You can download it.", sentence)
		if (this.recording?.id === id) this.note(about)
	}

	note(text) {
		say("player-note", text)
		$("player-note").hidden = !text
	}
}
