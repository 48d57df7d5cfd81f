// A notice while the server can't be reached, and word once it can.
import { address, watch } from "./api.js"
import { $, say } from "./dom.js"
import { showHealth } from "./health.js"

const ASK_EVERY = 1500
const waiting = new Set()
let lost = false

export function onReturn(act) {
	waiting.add(act)
}

watch.lost = () => {
	if (lost) return
	lost = true
	say("connection", "The server can't be reached. Trying again…")
	$("connection").hidden = false
	showHealth()
	setTimeout(ask, ASK_EVERY)
}

watch.answered = () => {
	if (!lost) return
	lost = false
	$("connection").hidden = true
	showHealth()
	for (const act of waiting) act()
}

async function ask() {
	if (!lost) return
	try {
		await fetch(address("/health/live"), { cache: "no-store" })
		watch.answered()
	} catch {
		setTimeout(ask, ASK_EVERY)
	}
}

addEventListener("online", ask)
