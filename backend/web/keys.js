// Keys for those who like them: single ones, which can be switched off, and arrows in the list.
import { $, on } from "./dom.js"
import { use } from "./parts.js"

const OFF = "shortcuts off"
const SKIP = 10 // seconds
const STOPS = ":scope > .select input, :scope > .go, .open, :scope > .acts button"

const openHelp = () => use("help", ({ showHelp }) => showHelp())

export const shortcuts = {
	get on() {
		return localStorage.getItem(OFF) === null
	},
	set on(on) {
		if (on) localStorage.removeItem(OFF)
		else localStorage.setItem(OFF, "yes")
	},
}

/** `current` answers with what the keys play and seek in: the player, or what is heard without it. */
export function offerKeys(current) {
	on("help-open", "click", openHelp)
	on("list", "keydown", moveInList)
	on("list", "focusin", ({ target }) => stopAt(target))
	on("q", "keydown", (event) => event.key === "ArrowDown" && moveInList(event))
	document.addEventListener("keydown", (event) => pressed(event, current()))
}

function pressed(event, playback) {
	if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
	if (!shortcuts.on || document.querySelector("dialog[open]") || event.target.matches("input, select, textarea")) return
	const anywhere = { "/": () => $("q").select(), "?": openHelp }
	const onThePage = {
		" ": () => playback.toggle(),
		ArrowLeft: () => playback.seek(playback.position - SKIP),
		ArrowRight: () => playback.seek(playback.position + SKIP),
	}
	const free = playback.recording && event.target.matches("body, #library") // else the keys are those of what has the focus
	const act = anywhere[event.key] ?? (free ? onThePage[event.key] : undefined)
	if (!act) return
	event.preventDefault()
	act()
}

/** Tab stops at each row once: where somebody was in it last. */
export function stopAt(target) {
	const row = target.closest(".row")
	if (!row || target.closest("form")) return
	for (const stop of row.querySelectorAll(STOPS)) stop.tabIndex = stop === target ? 0 : -1
}

/** Left and right lead to the buttons of a row, up and down to other rows. */
function moveInList(event) {
	if (event.target.closest("form.edit")) return
	const rows = [...document.querySelectorAll("#list .row")]
	const row = event.target.closest(".row")
	const stops = row ? [...row.querySelectorAll(STOPS)].filter((stop) => stop.checkVisibility()) : []
	const [at, across] = [rows.indexOf(row), stops.indexOf(event.target)]
	const nameIn = (other) => other?.querySelector(".open")
	const byKey = {
		ArrowLeft: () => stops[across - 1],
		ArrowRight: () => stops[across + 1],
		ArrowUp: () => nameIn(rows[at - 1]),
		ArrowDown: () => nameIn(rows[at + 1]),
		Home: () => nameIn(rows[0]),
		End: () => nameIn(rows.at(-1)),
	}
	const to = byKey[event.key]?.()
	if (!to) return
	event.preventDefault()
	to.focus()
}
