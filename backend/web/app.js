// Puts the page together: what happens in one part, and which others are told.
import { address, call, sentence } from "./api.js"
import { offerComposer, takeUpUploads } from "./composer.js"
import { onReturn } from "./connection.js"
import { $, narrow, on, say } from "./dom.js"
import { follow } from "./events.js"
import { nameOf, number } from "./format.js"
import { showHealth } from "./health.js"
import { offerKeys } from "./keys.js"
import { loadLabels } from "./labels.js"
import { List } from "./list.js"
import { offerMediaKeys, showMedia } from "./media_session.js"
import { MiniPlayer } from "./mini.js"
import { use } from "./parts.js"
import { goTo, goToSettings, isSettings, leave, shownId } from "./route.js"
import { Queue } from "./queue.js"
import { enter, session } from "./session.js"
import { Sound } from "./sound.js"
import { toast } from "./toast.js"

const queue = new Queue({ changed: turned })
const list = new List({ open, play, queue: putBehind, removed: dropped, changed: (recording) => tellPlayer("relabelled", recording) })
const sound = new Sound({ turned, moved, ended: playNext })
const mini = new MiniPlayer(sound, { open })
let player = null // until a recording is opened
let events = null
let endNotice = () => {} // of what was put into the queue last

/** Opens a recording; `play`: it has just been begun to be heard. */
function open(recording, { play = false } = {}) {
	goTo(recording.id)
	showRecording(recording, { play })
}

/** Shows a recording, unless the address has become another's until the player is loaded. */
async function showRecording(recording, { play = false } = {}) {
	const query = list.filters.q
	await use("player", ({ Player }) => {
		player ??= new Player(sound, { turned, closed: toList, retry: (failed) => list.retry(failed) })
		if (shownId() === recording.id) player.show(recording, { play, query })
	})
}

/** Plays a recording, or pauses it; on a phone the list stays in sight, unless it is to begin at a word. */
function play(recording) {
	const stays = narrow.matches && !list.filters.q
	if (sound.has(recording) && (sound.playing || stays)) return sound.toggle()
	hear(recording)
	if (!stays) open(recording, { play: true })
}

/** Plays a recording; at once, since a browser lets a page do so shortly after a click. */
function hear(recording) {
	if (!sound.has(recording)) sound.take(recording, { play: true })
	else if (!sound.playing) sound.toggle()
}

/** Puts a recording behind what plays and says so, or takes it out again. */
function putBehind(recording) {
	queue.toggle(recording)
	if (!queue.has(recording.id)) return endNotice()
	const before = queue.recordings.at(-2)
	endNotice = toast(`“${nameOf(recording)}” plays ${before ? `after “${nameOf(before)}”` : "next"}.`, {
		label: "Undo",
		act: () => queue.drop(recording.id),
		many: (count) => `${number(count)} recordings play next.`,
	})
}

/** Plays the next of the queue, and shows it where the one before was shown. */
function playNext() {
	const before = sound.recording?.id
	const next = queue.take()
	if (!next) return
	sound.take(next, { play: true })
	if (before !== shownId()) return
	goTo(next.id, { instead: true })
	showRecording(next, { play: true })
}

function turned() {
	const recording = player?.recording ?? null
	const heard = sound.begun ? (sound.recording?.id ?? null) : null
	list.mark({ shown: recording?.id ?? null, playing: sound.playing ? heard : null, heard, queue })
	const [next, ...rest] = queue.recordings
	const upNext = next ? `Next: ${nameOf(next)}${rest.length ? ` and ${number(rest.length)} more` : ""}` : ""
	$("up-next").hidden = !next
	say("up-next", upNext)
	mini.show(sound.recording?.id !== shownId(), { upNext })
	player?.draw()
	showMedia(sound)
	document.title = recording ? `${nameOf(recording)} – Pegasus` : "Pegasus"
}

function moved() {
	player?.draw()
	mini.draw()
}

/** Shows what the address names; Back and Forward change it, too. */
async function showAddress() {
	const id = shownId()
	showSettings(isSettings())
	if (id === null) return showList()
	if (id === player?.recording?.id) return
	try {
		const recording = list.rows.get(id)?.recording ?? (await call(`/api/audio/${id}`))
		if (shownId() === id) await showRecording(recording)
	} catch (error) {
		if (error.status === 401) return
		toast(error.status === 404 ? "This recording isn't here any more." : sentence(error))
		if (error.status === 404) dropped(id)
	}
}

/** Shows settings in place of the list, or the list again. */
function showSettings(shown) {
	if (shown) $("settings-open").setAttribute("aria-current", "page")
	else $("settings-open").removeAttribute("aria-current")
	if (shown) use("settings", (settings) => isSettings() && settings.showSettings(session, { leave: toList }))
	else if ($("settings")) $("settings").hidden = true
}

function toList() {
	leave()
	showAddress() // going back in the history does so by itself, a little later
}

function showList() {
	const id = player?.recording?.id
	const hadFocus = $("player").contains(document.activeElement)
	player?.clear()
	if (hadFocus) (list.rows.get(id) ?? $("library")).focus()
}

function dropped(id) {
	if (queue.has(id)) queue.drop(id)
	sound.tell("deleted", { id })
	if (shownId() !== id) return
	goTo(null, { instead: true })
	showList()
}

function tellPlayer(change, recording) {
	player?.tell(change, recording)
	sound.tell(change, recording)
}

function tell(change, recording) {
	list.tell(change, recording)
	if (change === "deleted") dropped(recording.id)
	else tellPlayer(change, recording)
}

function loadAll() {
	list.load()
	loadLabels().catch(() => {})
}

function start() {
	if (events) events.reopen()
	else events = follow(tell, loadAll) // first, so that nothing happens between the list and the first event
	loadAll()
	showAddress()
	takeUpUploads()
}

async function begin() {
	try {
		await enter(start)
	} catch (error) {
		list.fail(error)
		onReturn(() => events || enter(start).catch(() => {}))
	}
}

on("uploads", "open", async ({ detail: id }) => {
	try {
		const recording = await call(`/api/audio/${id}`)
		hear(recording)
		open(recording, { play: true })
	} catch (error) {
		toast(sentence(error))
	}
})
on("record", "click", () => sound.playing && sound.toggle()) // a microphone would hear it, too
onReturn(() => events && (loadAll(), showAddress()))
offerComposer()
$("settings-open").href = address("/settings")
on("settings-open", "click", (event) => {
	if (event.ctrlKey || event.metaKey || event.shiftKey) return
	event.preventDefault()
	goToSettings()
	showAddress()
})
on("home", "click", (event) => {
	if (event.ctrlKey || event.metaKey || event.shiftKey) return
	event.preventDefault() // what plays goes on
	goTo(null)
	showSettings(false)
	showList()
	list.clear()
})
offerKeys(() => (player?.recording ? player : sound))
offerMediaKeys(sound, { next: playNext })
addEventListener("popstate", () => {
	list.followAddress()
	showAddress()
})
showHealth()
begin()
