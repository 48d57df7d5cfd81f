// A recording in the list.
import { arrange, iconButton, make, showPlaying } from "./dom.js"
import { clock, dayOf, nameOf, size, timeOf } from "./format.js"
import { stopAt } from "./keys.js"
import { linkTo } from "./route.js"

const BEFORE_A_MATCH = 24 // characters
const STATES = { uploaded: "Waiting", transcribing: "Transcribing…", improving: "Improving…", failed: "Failed" }

/** A recording's row; `acts` are called with the recording. */
export function recordingRow(first, acts) {
	let recording = first
	const go = iconButton("play", "", () => acts.play(recording), "go")
	const name = make("a", { class: "open", dir: "auto", href: linkTo(first.id), onclick: follow })
	const about = make("div", { class: "about" })
	const excerpt = make("p", { class: "excerpt", dir: "auto", hidden: true, onclick: follow })
	const middle = make("div", { class: "what" }, name, about, excerpt)
	const side = make("div", { class: "acts" })
	const box = make("input", { type: "checkbox", onclick: (event) => acts.select(recording, { range: event.shiftKey }) })
	const element = make("li", { class: "row" }, make("label", { class: "select" }, box), go, middle, side)
	const edit = iconButton("edit", "", () => acts.edit(recording, element, edit))
	const later = iconButton("queue", "", () => acts.queue(recording), "icon later")
	const remove = iconButton("trash", "", () => acts.remove(recording), "icon danger")

	function follow(event) {
		if (event.ctrlKey || event.metaKey || event.shiftKey) return // another tab's
		event.preventDefault()
		acts.open(recording)
	}

	function renew(changed) {
		recording = { ...recording, ...changed }
		const title = nameOf(recording)
		const highlights = recording.highlights ?? []
		const inName = highlights.find(({ text }) => text === title)
		name.replaceChildren(...(inName ? marked(inName) : [title]))
		name.title = title
		box.setAttribute("aria-label", `Select ${title}`)
		for (const [button, word] of [[go, "Play"], [edit, "Edit"], [remove, "Delete"]]) {
			button.setAttribute("aria-label", (button.title = `${word} ${title}`))
		}
		about.replaceChildren(...facts(recording), chips(recording))
		const hit = highlights.find(({ field }) => field.endsWith("transcript"))
		excerpt.replaceChildren(...(hit ? marked(excerptOf(hit)) : []))
		excerpt.hidden = !hit
		const state = stateOf(recording, acts)
		arrange(side, [...(state ? [state] : []), later, edit, remove])
		stopAt(element.querySelector('[tabindex="0"]') ?? name)
	}

	function choose({ chosen, playing, queued, queues }) {
		element.classList.toggle("chosen", chosen)
		if (chosen) name.setAttribute("aria-current", "true")
		else name.removeAttribute("aria-current")
		showPlaying(go, playing, nameOf(recording))
		go.title = go.getAttribute("aria-label")
		later.hidden = !queues
		later.setAttribute("aria-pressed", String(queued))
		later.setAttribute("aria-label", (later.title = `Play ${nameOf(recording)} next`))
	}

	/** Whether it is selected; null where nothing is being selected. */
	function select(selected) {
		if ((selected === null) === element.classList.contains("selectable")) stopAt(selected === null ? name : box)
		element.classList.toggle("selectable", selected !== null)
		box.checked = Boolean(selected)
	}

	element.addEventListener("keydown", (event) => {
		if (event.key === "Delete" && !event.target.closest("form")) acts.remove(recording)
		if (event.key !== " " || event.target !== name) return
		event.preventDefault()
		if (element.classList.contains("selectable")) acts.select(recording)
		else acts.play(recording)
	})
	renew({})
	return { element, renew, choose, select, focus: () => name.focus(), get recording() { return recording } }
}

function facts({ upload_timestamp, duration_seconds, file_size_bytes }) {
	const time = timeOf(upload_timestamp)
	const parts = time ? [time] : []
	if (duration_seconds !== null && duration_seconds !== undefined) parts.push(clock(duration_seconds))
	const day = make("span", { class: "on", text: `${dayOf(upload_timestamp)}${time ? " " : " · "}` })
	const bytes = file_size_bytes === null ? null : make("span", { class: "size", text: `${parts.length ? " · " : ""}${size(file_size_bytes)}` })
	return [make("span", {}, day, parts.join(" · "), bytes)]
}

/** Tag and category, as they stand in a row and in the player. */
export function chips({ tag, category }) {
	const list = make("span", { class: "chips" })
	if (tag) list.append(make("span", { class: "chip", title: `Tag: ${tag}` }, make("span", { class: "unseen", text: "Tag: " }), tag))
	if (category) {
		const label = make("span", { class: "unseen", text: "Category: " })
		list.append(make("span", { class: "chip category", title: `Category: ${category}` }, label, category))
	}
	return list
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

/** What was said, from a word shortly before the first match on, so that a phone shows that, too. */
function excerptOf({ text, ranges }) {
	const points = [...text]
	let start = Math.max(0, ranges[0][0] - BEFORE_A_MATCH)
	while (start > 0 && start < ranges[0][0] && /\S/.test(points[start - 1])) start += 1
	const rest = points.slice(start).join("")
	return { text: `…${rest}`, ranges: ranges.map(([from, to]) => [from - start + 1, to - start + 1]) }
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
