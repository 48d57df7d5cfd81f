// What is heard: one recording, which goes on while another is looked at.
import { address, call, sentence } from "./api.js"
import { $ } from "./dom.js"
import { positionOf, rememberPosition } from "./positions.js"

const REMEMBER_EVERY = 5 // seconds
const UNDER_WAY = new Set(["uploaded", "transcribing", "improving"])

export class Sound {
	/** `turned` is called when it begins, stops or changes, `moved` when time passes or there is another `problem`, and `ended` at the end. */
	constructor({ turned, moved, ended }) {
		this.audio = $("audio")
		this.recording = null
		this.speed = 1
		this.begun = false
		this.problem = ""
		this.notify = { turned, moved, ended }
		this.listen()
	}

	listen() {
		const { audio } = this
		for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, () => this.turn())
		audio.addEventListener("ended", () => this.notify.ended())
		for (const event of ["timeupdate", "seeked", "loadedmetadata", "durationchange"]) audio.addEventListener(event, () => this.move())
		audio.addEventListener("loadedmetadata", () => this.setProblem(""))
		audio.addEventListener("error", () => this.fail())
		addEventListener("pagehide", () => this.remember())
	}

	get playing() {
		return !this.audio.paused
	}

	get position() {
		return this.audio.currentTime
	}

	get duration() {
		return Number.isFinite(this.audio.duration) ? this.audio.duration : (this.recording?.duration_seconds ?? 0)
	}

	has(recording) {
		return recording !== null && this.recording?.id === recording.id
	}

	/** Takes up a recording at a position, or where it was stopped. */
	take(recording, { play = false, at = positionOf(recording.id) } = {}) {
		this.remember()
		this.recording = recording
		this.begun = false
		this.problem = ""
		this.load({ play, at })
		this.turn()
	}

	load({ play = false, at = 0, variant = "playback" }) {
		this.variant = variant
		this.wish = play
		this.audio.src = address(`/api/audio/${this.recording.id}/download?variant=${variant}`)
		this.audio.defaultPlaybackRate = this.speed
		if (at) this.audio.currentTime = at // once it is loaded
		if (play) this.audio.play().catch(() => {})
	}

	toggle() {
		this.wish = this.audio.paused
		if (this.audio.paused) this.audio.play().catch(() => {})
		else this.audio.pause()
	}

	seek(seconds, { play = false } = {}) {
		this.audio.currentTime = Math.min(Math.max(0, seconds), this.duration || seconds)
		if (play && this.audio.paused) this.toggle()
		this.notify.moved()
	}

	setSpeed(speed) {
		this.speed = this.audio.playbackRate = this.audio.defaultPlaybackRate = speed
	}

	turn() {
		if (this.playing) this.begun = true
		else this.remember()
		this.notify.turned()
		if (this.playing) requestAnimationFrame(() => this.follow())
	}

	/** Tells of the time by frames: the browser's events come four times a second. */
	follow() {
		if (!this.playing) return
		this.notify.moved()
		requestAnimationFrame(() => this.follow())
	}

	move() {
		if (this.playing && Math.abs(this.position - this.remembered) >= REMEMBER_EVERY) this.remember()
		this.notify.moved()
	}

	remember() {
		this.remembered = this.position
		if (this.recording && this.begun) rememberPosition(this.recording.id, this.position, this.duration)
	}

	/** Takes in a change of the recording: what browsers can play may be there now. */
	tell(change, changed) {
		if (!this.has(changed)) return
		if (change === "deleted") return this.drop()
		this.recording = { ...this.recording, ...changed }
		if (change !== "examined" && change !== "progressed") return
		if (this.audio.error || this.variant === "original") this.load({ play: this.playing || this.wish, at: this.position })
	}

	/** Why it can't be heard, in a sentence; an empty one takes that back. */
	setProblem(sentence) {
		this.problem = sentence
		this.notify.moved()
	}

	drop() {
		this.recording = null
		this.audio.pause()
		this.audio.removeAttribute("src")
		this.turn()
	}

	async fail() {
		if (!this.recording || !this.audio.hasAttribute("src")) return
		const { id, processing_status: status } = this.recording
		if (this.variant === "playback" && UNDER_WAY.has(status)) return this.load({ play: this.wish, at: this.position, variant: "original" })
		const problem = UNDER_WAY.has(status)
			? "This browser can't play it yet: it is being made ready."
			: await call(`/api/audio/${id}`).then(() => "This browser can't play this recording. You can download it.", sentence)
		if (this.recording?.id === id) this.setProblem(problem)
	}
}
