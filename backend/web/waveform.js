// The waveform: drawn from peaks, and a slider for pointer and keys.
import { $, colour, dark, prepare, say } from "./dom.js"
import { clock } from "./format.js"

const BAR = 3
const GAP = 2
const STEP = 5 // seconds

export class Waveform {
	/** `seek(seconds, {done})` is called while it is moved, and once it is let go. */
	constructor({ seek, toggle }) {
		this.element = $("seek")
		this.canvas = this.element.querySelector("canvas")
		this.seek = seek
		this.toggle = toggle
		this.peaks = null
		this.duration = 0
		this.position = 0
		new ResizeObserver(() => this.draw()).observe(this.element)
		dark.addEventListener("change", () => this.draw())
		this.listen()
	}

	/** Shows audiowaveform's JSON, or a plain line to seek in. */
	show(data) {
		this.peaks = data && Float32Array.from({ length: data.length }, (_, at) => Math.max(-data.data[2 * at], data.data[2 * at + 1]))
		this.loudest = this.peaks?.reduce((most, peak) => Math.max(most, peak), 0) || 1
		this.draw()
	}

	at(position, duration) {
		this.position = position
		this.duration = Number.isFinite(duration) ? duration : 0
		this.element.setAttribute("aria-valuemax", Math.round(this.duration))
		this.element.setAttribute("aria-valuenow", Math.round(position))
		this.element.setAttribute("aria-valuetext", `${clock(position)} of ${clock(this.duration)}`)
		say("now", clock(position))
		say("whole", this.duration ? clock(this.duration) : "")
		this.draw()
	}

	draw() {
		const { context, width, height } = prepare(this.canvas)
		const bars = Math.floor(width / (BAR + GAP))
		const played = this.duration ? (this.position / this.duration) * width : 0
		const [done, rest] = [colour("accent"), colour("wave")]
		for (let bar = 0; bar < bars; bar++) {
			const x = bar * (BAR + GAP)
			const tall = Math.max(BAR, this.level(bar / bars, (bar + 1) / bars) * (height - 4))
			context.fillStyle = x + BAR / 2 <= played ? done : rest
			context.beginPath()
			context.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2)
			context.fill()
		}
		if (!this.duration) return
		context.fillStyle = done
		context.fillRect(Math.min(width - 2, played), 0, 2, height)
	}

	/** The loudest between two shares of the whole; quiet things stay visible. */
	level(from, to) {
		if (!this.peaks?.length) return 0
		const first = Math.floor(from * this.peaks.length)
		const last = Math.max(first + 1, Math.floor(to * this.peaks.length))
		let most = 0
		for (let at = first; at < last; at++) most = Math.max(most, this.peaks[at])
		return (most / this.loudest) ** 0.7
	}

	listen() {
		const { element } = this
		const move = (event, done) => {
			const { left, width } = element.getBoundingClientRect()
			const share = Math.min(1, Math.max(0, (event.clientX - left) / width))
			if (this.duration) this.seek(share * this.duration, { done })
		}
		element.addEventListener("pointerdown", (event) => {
			if (event.button !== 0) return
			element.setPointerCapture(event.pointerId)
			move(event, false)
		})
		element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && move(event, false))
		element.addEventListener("pointerup", (event) => move(event, true))
		element.addEventListener("keydown", (event) => this.key(event))
	}

	key(event) {
		const part = this.duration / 10
		const [on, back] = [this.position + STEP, this.position - STEP]
		const jumps = { PageUp: this.position + part, PageDown: this.position - part, Home: 0, End: this.duration }
		const to = { ArrowRight: on, ArrowUp: on, ArrowLeft: back, ArrowDown: back, ...jumps }[event.key]
		if (event.altKey || event.ctrlKey || event.metaKey) return
		if (event.key === " " || event.key === "Enter") this.toggle()
		else if (to === undefined) return
		else this.seek(Math.min(this.duration, Math.max(0, to)), { done: true })
		event.preventDefault()
	}
}
