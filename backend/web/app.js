// Puts the page together: what happens in one part, and which others are told.
import { call, sentence } from "./api.js"
import { offerComposer } from "./composer.js"
import { onReturn } from "./connection.js"
import { $ } from "./dom.js"
import { follow } from "./events.js"
import { showHealth } from "./health.js"
import { loadLabels } from "./labels.js"
import { List } from "./list.js"
import { Player } from "./player.js"
import { enter } from "./session.js"
import { toast } from "./toast.js"
import { onOpen, takeUp } from "./uploads.js"

const list = new List({
	open: (recording, how) => player.open(recording, how),
	removed: (id) => player.tell("deleted", { id }),
	changed: (recording) => player.tell("relabelled", recording),
})
const player = new Player({
	changed: (current) => list.mark(current),
	closed: (id) => (list.rows.get(id) ?? { focus: () => $("q").focus() }).focus(),
})
let events = null

function tell(change, recording) {
	list.tell(change, recording)
	player.tell(change, recording)
}

function loadAll() {
	list.load()
	loadLabels().catch(() => {})
}

function start() {
	if (events) events.reopen()
	else events = follow(tell, loadAll) // first, so that nothing happens between the list and the first event
	loadAll()
	takeUp()
}

async function open() {
	try {
		await enter(start)
	} catch (error) {
		list.fail(error)
		onReturn(() => events || enter(start).catch(() => {}))
	}
}

onOpen(async (id) => {
	try {
		player.open(await call(`/api/audio/${id}`), { play: true })
	} catch (error) {
		toast(sentence(error))
	}
})
onReturn(() => events && loadAll())
offerComposer()
showHealth()
open()
