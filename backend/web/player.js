// The player: one recording that is looked at, with its waveform and transcript. What is heard may be another.
import { address, call, Refusal, sentence } from "./api.js"
import { $, icon, make, narrow, on, say, showPlaying } from "./dom.js"
import { fullDate, nameOf, size } from "./format.js"
import { positionOf } from "./positions.js"
import { chips } from "./row.js"
import { canShare, share } from "./sharing.js"
import { TranscriptView } from "./transcript.js"
import { Waveform } from "./waveform.js"

const SKIP = 10
const WAITING = {
	uploaded: "The transcript will be here once the recording has been processed.",
	transcribing: "The recording is being transcribed…",
	improving: "The transcript is being improved…",
}

export class Player {
	/** `turned` is called when it shows another recording, `closed` when somebody goes back to the list. */
	constructor(sound, { turned, closed, retry }) {
		this.sound = sound
		this.turned = turned
		this.recording = null
		this.start = 0
		this.waveform = new Waveform({ seek: (seconds, how) => this.seek(seconds, how), toggle: () => this.toggle() })
		this.transcript = new TranscriptView({ seek: (seconds) => this.seek(seconds, { play: true }) })
		on("play", "click", () => this.toggle())
		on("skip-back", "click", () => this.seek(this.position - SKIP))
		on("skip-on", "click", () => this.seek(this.position + SKIP))
		on("speed", "change", () => sound.setSpeed(Number($("speed").value)))
		on("retry", "click", () => retry(this.recording))
		on("player-close", "click", closed)
		on("player", "keydown", (event) => event.key === "Escape" && this.covers && closed())
		narrow.addEventListener("change", () => this.cover())
	}

	/** Whether it lies over the page, as on a phone. */
	get covers() {
		return narrow.matches && this.recording !== null
	}

	/** Whether what it shows is what is heard. */
	get isHeard() {
		return this.sound.has(this.recording)
	}

	get position() {
		return this.isHeard ? this.sound.position : this.start
	}

	get duration() {
		return this.isHeard ? this.sound.duration : (this.recording.duration_seconds ?? 0)
	}

	/** Shows a recording, at what was searched for; what is heard goes on, unless it has just been begun: `play`. */
	async show(recording, { play = false, query = "" } = {}) {
		const same = this.recording?.id === recording.id
		if (!same) this.begin(recording)
		const growing = play ? same : this.isHeard && this.sound.playing
		if (!this.isHeard && !this.sound.playing) this.sound.take(recording)
		this.draw()
		if (!same) await Promise.all([this.loadWaveform(), this.loadTranscript()])
		if (this.recording?.id !== recording.id) return
		const seconds = this.transcript.mark(query)
		if (seconds !== null && !growing) this.seek(seconds)
	}

	begin(recording) {
		this.recording = recording
		this.start = positionOf(recording.id)
		this.transcript.clear()
		this.transcript.mark("")
		this.waveform.show(null)
		this.describe()
		$("player-none").hidden = true
		$("player-some").hidden = false
		this.cover()
		if (narrow.matches) $("play").focus({ preventScroll: true })
		this.turned()
	}

	/** Shows no recording any more. */
	clear() {
		if (!this.recording) return
		this.recording = null
		$("player-none").hidden = false
		$("player-some").hidden = true
		this.cover()
		this.turned()
	}

	describe() {
		const { recording } = this
		say("player-name", nameOf(recording))
		const { upload_timestamp: came, file_size_bytes: bytes } = recording
		say("player-about", [came && fullDate(came), bytes && size(bytes)].filter(Boolean).join(" · "))
		$("player-labels").replaceChildren(...chips(recording).children)
		$("failure").hidden = recording.processing_status !== "failed"
		say("failure-why", recording.error_message ?? "The reason isn't known.")
		const place = address(`/api/audio/${recording.id}`)
		const spoken = recording.transcription_engine ? ["txt", "srt", "vtt"] : []
		const links = [
			["Original", `${place}/download`],
			...spoken.map((form) => [form.toUpperCase(), `${place}/transcript?format=${form}`]),
		]
		const shares = canShare() ? [make("button", { onclick: () => share(this.recording) }, icon("share"), "Share")] : []
		$("saves").replaceChildren(...shares, ...links.map(([text, href]) => make("a", { href, download: "" }, icon("down"), text)))
	}

	async loadWaveform() {
		const { id } = this.recording
		const data = await call(`/api/audio/${id}/waveform`).catch(() => null)
		if (this.recording?.id === id) this.waveform.show(data)
	}

	async loadTranscript() {
		const { id, processing_status: status } = this.recording
		try {
			const [document, current] = await Promise.all([
				call(`/api/audio/${id}/transcript?format=json`),
				call(`/api/audio/${id}/transcript`),
			])
			if (this.recording?.id !== id) return
			this.showTranscript(document, current.is_improved ? current.transcript : null)
		} catch (error) {
			if (this.recording?.id !== id) return
			const missing = error instanceof Refusal && error.status === 404
			if (!missing) this.transcript.clear(sentence(error))
			else if (status === "completed") this.explainMissing()
			else this.transcript.clear(WAITING[status] ?? "")
		}
	}

	/** Shows a transcript; what is shown already, or is being edited, stays as it is. */
	showTranscript(document, improved) {
		const { transcript } = this
		const contents = JSON.stringify([this.recording.id, document, improved])
		if (transcript.editing || (transcript.document && contents === JSON.stringify([transcript.id, transcript.document, transcript.improved]))) return
		transcript.show(document, improved, { id: this.recording.id, isImproved: transcript.isImproved })
		transcript.at(this.position)
	}

	/** Says why a recording that was processed has no transcript, and to whoever looks after the server what to do. */
	async explainMissing() {
		const { id, transcription_engine: engine } = this.recording
		this.transcript.clear(engine ? "This recording has no transcript." : "No engine has transcribed this recording.")
		if (engine) return
		const server = await call("/api/server").catch(() => null)
		if (this.recording?.id !== id || !server || server.engines.transcription) return
		const setting = make("code", { text: "TRANSCRIPTION_ENGINE" })
		this.transcript.clear("Transcription is off on this server. To turn it on, set ", setting, " (docs/transcription.md): new recordings are then transcribed.")
	}

	/** Takes in a change of the recording that is in it. */
	tell(change, changed) {
		if (this.recording?.id !== changed.id || change === "deleted") return
		const before = this.recording
		this.recording = { ...before, ...changed }
		this.describe()
		this.draw()
		this.turned()
		if (change === "relabelled" || before.processing_status !== this.recording.processing_status) this.loadTranscript()
		if ((change === "examined" || change === "progressed") && !this.waveform.peaks) this.loadWaveform()
	}

	/** On a phone it lies over the page. */
	cover() {
		$("player").classList.toggle("open", this.recording !== null)
		for (const part of document.querySelectorAll(".bar, .column, .skip")) part.inert = this.covers
	}

	toggle() {
		if (this.isHeard) this.sound.toggle()
		else this.sound.take(this.recording, { play: true, at: this.start })
	}

	/** Where it is taken to; `play`: it is heard from there. */
	seek(seconds, { play = false } = {}) {
		this.start = Math.min(Math.max(0, seconds), this.duration || seconds)
		if (this.isHeard) this.sound.seek(this.start, { play })
		else if (play) this.toggle()
		this.draw()
	}

	draw() {
		if (!this.recording) return
		const playing = this.isHeard && this.sound.playing
		if ($("play").getAttribute("aria-label") !== (playing ? "Pause" : "Play")) showPlaying($("play"), playing)
		this.waveform.at(this.position, this.duration)
		this.transcript.at(this.position)
		const note = (this.isHeard && this.sound.problem) || this.damage
		if ($("player-note").textContent !== note) say("player-note", note)
		$("player-note").hidden = !note
	}

	/** Says that not all of it could be read. */
	get damage() {
		const { processing_status: status, error_message: message } = this.recording
		return status === "completed" ? (message ?? "") : ""
	}
}
