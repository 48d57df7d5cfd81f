// A recording in the list.
import { arrange, icon, iconButton, make } from "./dom.js"
import { clock, nameOf, size, when } from "./format.js"

const STATES = { uploaded: "Waiting", transcribing: "Transcribing…", improving: "Improving…", failed: "Failed" }

/** A recording's row; `acts` are called with the recording. */
export function recordingRow(first, acts) {
	let recording = first
	const go = iconButton("play", "", () => acts.open(recording, { play: true }), "go")
	const name = make("button", { class: "open", dir: "auto", onclick: () => acts.open(recording) })
	const about = make("div", { class: "about" })
	const found = make("p", { class: "found", dir: "auto", hidden: true })
	const middle = make("div", {}, name, about, found)
	const side = make("div", { class: "acts" })
	const element = make("li", { class: "row" }, go, middle, side)
	const edit = iconButton("edit", "", () => acts.edit(recording, middle, edit))
	const remove = iconButton("trash", "", () => acts.remove(recording), "icon danger")

	function renew(changed) {
		recording = { ...recording, ...changed }
		const title = nameOf(recording)
		const found_in = recording.highlights ?? []
		const inName = found_in.find(({ text }) => text === title)
		name.replaceChildren(...(inName ? marked(inName) : [title]))
		name.title = title
		for (const [button, word] of [[go, "Play"], [edit, "Edit"], [remove, "Delete"]]) {
			button.setAttribute("aria-label", (button.title = `${word} ${title}`))
		}
		about.replaceChildren(...facts(recording), chips(recording))
		const said = found_in.find(({ field }) => field.endsWith("transcript"))
		found.replaceChildren(...(said ? marked(said) : []))
		found.hidden = !said
		const state = stateOf(recording, acts)
		arrange(side, [...(state ? [state] : []), edit, remove])
	}

	function choose({ chosen, playing }) {
		element.classList.toggle("chosen", chosen)
		if (chosen) name.setAttribute("aria-current", "true")
		else name.removeAttribute("aria-current")
		const shown = playing ? "pause" : "play"
		if (go.firstChild.firstChild.getAttribute("href") !== `#i-${shown}`) go.replaceChildren(icon(shown))
		go.setAttribute("aria-label", (go.title = `${playing ? "Pause" : "Play"} ${nameOf(recording)}`))
	}

	renew({})
	return { element, renew, choose, focus: () => name.focus(), get recording() { return recording } }
}

function facts({ upload_timestamp, duration_seconds, file_size_bytes }) {
	const told = [when(upload_timestamp)]
	if (duration_seconds !== null && duration_seconds !== undefined) told.push(clock(duration_seconds))
	if (file_size_bytes !== null) told.push(size(file_size_bytes))
	return [make("span", { text: told.join(" · ") })]
}

/** Tag and category, as they stand in a row and in the player. */
export function chips({ tag, category }) {
	const shown = make("span", { class: "chips" })
	if (tag) shown.append(make("span", { class: "chip", title: `Tag: ${tag}` }, make("span", { class: "unseen", text: "Tag: " }), tag))
	if (category) {
		const label = make("span", { class: "unseen", text: "Category: " })
		shown.append(make("span", { class: "chip category", title: `Category: ${category}` }, label, category))
	}
	return shown
}

function stateOf(recording, acts) {
	const status = recording.processing_status
	if (status === "completed" && recording.error_message) {
		return make("span", { class: "state failed", text: "Damaged", title: recording.error_message })
	}
	if (!STATES[status]) return null
	if (status !== "failed") return make("span", { class: `state ${status === "uploaded" ? "" : "busy"}`, text: STATES[status] })
	const again = iconButton("retry", `Process ${nameOf(recording)} again`, () => acts.retry(recording))
	return make("span", { class: "acts" }, make("span", { class: "state failed", text: STATES.failed, title: recording.error_message ?? "" }), again)
}

/** A text with what matches marked; its ranges count code points. */
function marked({ text, ranges }) {
	const points = [...text]
	const parts = []
	let at = 0
	for (const [start, end] of ranges) {
		parts.push(points.slice(at, start).join(""), make("mark", { text: points.slice(start, end).join("") }))
		at = end
	}
	return [...parts, points.slice(at).join("")]
}
