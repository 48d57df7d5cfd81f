// Events of recordings. A hidden page lets go of its connection: a browser has only six.
import { address, call, watch } from "./api.js"

const CHANGES = ["created", "examined", "progressed", "relabelled", "deleted"]
const AGAIN_AFTER = 2000

/** Tells changes to `tell(change, recording)`, and calls `anew` when some may be missed. */
export function follow(tell, anew) {
	let stream = null
	let broken = false

	function open() {
		if (stream || document.hidden) return
		stream = new EventSource(address("/api/audio/events"))
		for (const change of CHANGES) {
			stream.addEventListener(change, ({ data }) => tell(change, JSON.parse(data)))
		}
		stream.addEventListener("reset", anew)
		stream.addEventListener("open", () => {
			watch.answered()
			if (broken) anew()
			broken = false
		})
		stream.addEventListener("error", failed)
	}

	async function failed() {
		if (stream.readyState !== EventSource.CLOSED) {
			watch.lost() // the browser tries again by itself, and goes on behind the last event that it saw
			return
		}
		close()
		const refused = await call("/api/audio/?limit=1").then(() => false, ({ status }) => status === 401)
		if (!refused) setTimeout(open, AGAIN_AFTER) // else whoever signs in reopens it
	}

	function close() {
		stream?.close()
		stream = null
		broken = true
	}

	document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()))
	open()
	return { reopen: () => (close(), open()) }
}
