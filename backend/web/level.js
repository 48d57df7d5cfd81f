// The microphone's level: the last seconds as bars.
import { calm, colour, prepare } from "./dom.js"

const BAR = 3
const GAP = 2
const EVERY = 50 // milliseconds a bar

/** Draws a stream's level until the returned function is called. */
export function drawLevel(stream, canvas) {
	const context = new AudioContext()
	const analyser = context.createAnalyser()
	analyser.fftSize = 1024
	context.createMediaStreamSource(stream).connect(analyser)
	const samples = new Float32Array(analyser.fftSize)
	const levels = []
	let last = 0
	let frame = requestAnimationFrame(draw)

	function draw(now) {
		frame = requestAnimationFrame(draw)
		if (now - last < (calm.matches ? 250 : EVERY)) return
		last = now
		analyser.getFloatTimeDomainData(samples)
		const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length)
		levels.push(Math.min(1, Math.sqrt(loudness) * 1.6))
		paint()
	}

	function paint() {
		const { context: pen, width, height } = prepare(canvas)
		const room = Math.floor(width / (BAR + GAP))
		if (levels.length > room) levels.splice(0, levels.length - room)
		const shown = calm.matches ? Array(room).fill(levels.at(-1)) : levels // one steady meter where motion isn't wanted
		pen.fillStyle = colour("signal")
		shown.forEach((level, at) => {
			const x = width - (shown.length - at) * (BAR + GAP)
			const tall = Math.max(BAR, level * height)
			pen.beginPath()
			pen.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2)
			pen.fill()
		})
	}

	return () => {
		cancelAnimationFrame(frame)
		context.close()
	}
}
