// Several recordings of the list at once: labelled, processed again, downloaded or deleted; what can be undone is by one Undo.
import { address, call, sentence } from "./api.js"
import { $, icon, iconButton, make, on, say } from "./dom.js"
import { number } from "./format.js"
import { learn } from "./labels.js"
import { isBeingRemoved } from "./removal.js"
import { toast } from "./toast.js"

const FIELDS = ["tag", "category"]
const AT_ONCE = 1000 // recordings that one request names
const LARGEST_ARCHIVE = 10_000 // that a filter selects

export class Selection {
	constructor(list) {
		this.list = list
		this.selected = new Map() // recordings by their ids
		this.terms = null // of the filter by which recordings were selected that aren't in sight
		this.isComplete = false
		this.last = null
		this.active = false
		$("mini").before(this.bar())
		document.body.append(this.dialog())
		for (const id of ["list", "selection"]) on(id, "keydown", (event) => event.key === "Escape" && this.active && this.stop())
	}

	bar() {
		const button = (act, label, name, onclick) =>
			make("button", { id: `selection-${act}`, class: "quiet small", "aria-label": label, onclick }, name && icon(name), make("span", { text: label }))
		return make(
			"section",
			{ id: "selection", class: "mini selection", "aria-label": "Selected recordings", hidden: true },
			make("span", { id: "selection-count", role: "status" }),
			make("button", { id: "selection-all", class: "plain small", "aria-label": "Select all", text: "All", onclick: () => this.all() }),
			button("label", "Labels", "edit", () => this.askLabels()),
			button("retry", "Retry", "retry", () => this.retry()),
			button("zip", "Download", "down", () => this.download()),
			button("delete", "Delete", "trash", () => this.delete()),
			iconButton("close", "Stop selecting", () => this.stop()),
		)
	}

	dialog() {
		const field = (name, text) => {
			const input = make("input", { id: `selection-${name}`, dir: "auto", maxLength: 100, autocomplete: "off" })
			input.setAttribute("list", name === "tag" ? "tags" : "categories")
			return make("label", { class: "field" }, make("span", { text }), input)
		}
		const cancel = make("button", { type: "button", class: "quiet", text: "Cancel", onclick: () => $("selection-labels").close() })
		const title = make("h2", { id: "selection-title", text: "Labels of the selected recordings" })
		const form = make("form", {}, title, field("tag", "Tag"), field("category", "Category"), cancel, make("button", { class: "main", text: "Save" }))
		form.addEventListener("submit", (event) => {
			event.preventDefault()
			this.label()
		})
		return make("dialog", { id: "selection-labels", class: "help", "aria-labelledby": "selection-title" }, form)
	}

	/** What is selected, as it is now where it is in sight. */
	get recordings() {
		return [...this.selected].map(([id, recording]) => this.list.rows.get(id)?.recording ?? recording)
	}

	start() {
		this.active = true
		this.draw()
		$("list").querySelector(".select input")?.focus()
	}

	stop() {
		const hadFocus = $("selection").contains(document.activeElement)
		this.active = false
		this.clear()
		this.draw()
		if (hadFocus) $("select").focus()
	}

	clear() {
		this.selected = new Map()
		this.terms = null
		this.isComplete = false
		this.collecting = null
	}

	/** Selects a recording or not; with `range` all between it and the last one, too. */
	toggle(id, { range = false } = {}) {
		const ids = [...this.list.rows.keys()]
		const selected = !this.selected.has(id)
		const [from, to] = [ids.indexOf(range && this.list.rows.has(this.last) ? this.last : id), ids.indexOf(id)]
		for (const other of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) {
			if (selected) this.selected.set(other, this.list.rows.get(other).recording)
			else this.selected.delete(other)
		}
		this.last = id
		this.isComplete = false
		this.draw()
	}

	/** Selects all that are in sight; then all that the list has; then none. */
	all() {
		const { rows } = this.list
		if (![...rows.keys()].every((id) => this.selected.has(id))) for (const [id, row] of rows) this.selected.set(id, row.recording)
		else if (!this.isComplete && this.list.total > rows.size) return this.collect()
		else this.clear()
		this.draw()
	}

	/** Selects all recordings of the list as it is filtered now, in sight or not: by their ids, so that none that comes later is among them. */
	async collect() {
		const { list } = this
		const collecting = (this.collecting = {})
		const terms = JSON.stringify(list.terms)
		const all = new Map()
		let cursor = null
		try {
			do {
				const query = list.query({ limit: AT_ONCE, ...(cursor && { cursor }) })
				const page = await call(`/api/audio/?${query}`)
				if (this.collecting !== collecting) return
				for (const item of page.items) if (!isBeingRemoved(item.id)) all.set(item.id, item)
				cursor = page.next_cursor
				say("selection-count", `${number(all.size)}…`)
			} while (cursor)
			Object.assign(this, { selected: all, terms, isComplete: true })
		} catch (error) {
			toast(sentence(error))
		}
		this.collecting = null
		this.draw()
	}

	/** What isn't in the list any more isn't selected either; nor is what was selected by another filter. */
	draw() {
		const { rows } = this.list
		if (this.terms !== null && this.terms !== JSON.stringify(this.list.terms)) this.clear()
		if (this.terms === null) for (const id of this.selected.keys()) if (!rows.has(id)) this.selected.delete(id)
		if (rows.size === 0) this.active = false
		$("list").classList.toggle("selecting", this.active)
		for (const [id, row] of rows) row.select(this.active ? this.selected.has(id) : null)
		$("select").hidden = this.active || rows.size === 0
		$("selection").hidden = !this.active
		say("selection-count", `${number(this.selected.size)} selected`)
		const inSight = [...rows.keys()].every((id) => this.selected.has(id))
		const [text, label] = !inSight ? ["All", "Select all"] : this.isComplete || this.list.total <= rows.size ? ["None", "Select none"] : [`All ${this.list.about}${number(this.list.total)}`]
		say("selection-all", text)
		$("selection-all").setAttribute("aria-label", label ?? `Select ${text.toLowerCase()}`)
		for (const act of ["delete", "zip", "label", "retry"]) $(`selection-${act}`).disabled = this.selected.size === 0
		$("selection-retry").hidden = !this.recordings.some(({ processing_status: status }) => status === "failed")
	}

	delete() {
		const { recordings } = this
		this.stop()
		this.list.remove(recordings)
	}

	/** As one ZIP file: by the filter where that is what was selected. */
	download() {
		const most = this.isComplete ? LARGEST_ARCHIVE : AT_ONCE
		if (this.selected.size > most) return void toast(`At most ${number(most)} of these come in one file. Choose fewer, or a narrower filter.`)
		const query = this.isComplete ? new URLSearchParams(this.list.terms) : new URLSearchParams([...this.selected.keys()].map((id) => ["ids", id]))
		make("a", { href: address(`/api/audio/archive.zip?${query}`), download: "" }).click()
		this.stop()
	}

	async retry() {
		const ids = this.recordings.filter(({ processing_status: status }) => status === "failed").map(({ id }) => id)
		this.stop()
		await change({ action: "retry", ids })
	}

	/** Asks for labels; what the recordings have in common is filled in. */
	askLabels() {
		for (const field of FIELDS) {
			const values = new Set(this.recordings.map((recording) => recording[field] ?? ""))
			const input = $(`selection-${field}`)
			input.value = input.defaultValue = values.size === 1 ? [...values][0] : ""
			input.placeholder = values.size === 1 ? "None" : "Different ones"
		}
		$("selection-labels").showModal()
	}

	/** Gives all the labels that were changed in the form. */
	async label() {
		const edited = FIELDS.map((field) => [field, $(`selection-${field}`)]).filter(([, input]) => input.value.trim() !== input.defaultValue)
		const changes = Object.fromEntries(edited.map(([field, input]) => [field, input.value.trim() || null]))
		const before = this.recordings
		$("selection-labels").close()
		this.stop()
		if (edited.length === 0 || !(await change({ action: "change", ids: before.map(({ id }) => id), changes }))) return
		learn(changes)
		toast(before.length === 1 ? "Changed 1 recording." : `Changed ${number(before.length)} recordings.`, { label: "Undo", act: () => restore(before, Object.keys(changes)) })
	}
}

/** Gives recordings the labels back that they had: those that had the same ones together. */
async function restore(recordings, fields) {
	const groups = Map.groupBy(recordings, (recording) => JSON.stringify(fields.map((field) => [field, recording[field] ?? null])))
	for (const [labels, group] of groups) {
		await change({ action: "change", ids: group.map(({ id }) => id), changes: Object.fromEntries(JSON.parse(labels)) })
	}
}

/** Changes many, by few requests; the first that was refused is told. Events tell the list what has changed. Answers whether any was changed. */
async function change({ ids, ...json }) {
	const problems = []
	try {
		for (let at = 0; at < ids.length; at += AT_ONCE) {
			const { refused } = await call("/api/audio/bulk", { method: "POST", json: { ...json, ids: ids.slice(at, at + AT_ONCE) } })
			problems.push(...refused.map(({ problem }) => problem))
		}
	} catch (error) {
		toast(sentence(error))
		return false
	}
	if (problems.length) toast(problems[0].detail)
	return problems.length < ids.length
}
