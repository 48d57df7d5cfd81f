// Several recordings of the list at once: labelled, processed again, downloaded or deleted; what can be undone is by one Undo.
import { address, call, sentence } from "./api.js"
import { $, icon, iconButton, make, on, say } from "./dom.js"
import { number } from "./format.js"
import { learn } from "./labels.js"
import { toast } from "./toast.js"

const FIELDS = ["tag", "category"]

export class Selection {
	constructor(list) {
		this.list = list
		this.ids = new Set()
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
			make("button", { class: "quiet small", "aria-label": "Select all", text: "All", onclick: () => this.all() }),
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

	get recordings() {
		return [...this.ids].map((id) => this.list.rows.get(id).recording)
	}

	start() {
		this.active = true
		this.draw()
		$("list").querySelector(".select input")?.focus()
	}

	stop() {
		const hadFocus = $("selection").contains(document.activeElement)
		this.active = false
		this.ids.clear()
		this.draw()
		if (hadFocus) $("select").focus()
	}

	/** Selects a recording or not; with `range` all between it and the last one, too. */
	toggle(id, { range = false } = {}) {
		const ids = [...this.list.rows.keys()]
		const selected = !this.ids.has(id)
		const [from, to] = [ids.indexOf(range && this.list.rows.has(this.last) ? this.last : id), ids.indexOf(id)]
		for (const other of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) this.ids[selected ? "add" : "delete"](other)
		this.last = id
		this.draw()
	}

	/** All that are in sight; none, where all are selected. */
	all() {
		const every = this.ids.size === this.list.rows.size
		this.ids = new Set(every ? [] : this.list.rows.keys())
		this.draw()
	}

	/** What isn't in the list any more isn't selected either. */
	draw() {
		for (const id of this.ids) if (!this.list.rows.has(id)) this.ids.delete(id)
		if (this.list.rows.size === 0) this.active = false
		$("list").classList.toggle("selecting", this.active)
		for (const [id, row] of this.list.rows) row.select(this.active ? this.ids.has(id) : null)
		$("select").hidden = this.active || this.list.rows.size === 0
		$("selection").hidden = !this.active
		say("selection-count", `${number(this.ids.size)} selected`)
		for (const act of ["delete", "zip", "label", "retry"]) $(`selection-${act}`).disabled = this.ids.size === 0
		$("selection-retry").hidden = !this.recordings.some(({ processing_status: status }) => status === "failed")
	}

	delete() {
		const { recordings } = this
		this.stop()
		this.list.remove(recordings)
	}

	/** As one ZIP file. */
	download() {
		const query = new URLSearchParams([...this.ids].map((id) => ["ids", id]))
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

/** Changes many by one request; what was refused is told. Events tell the list what has changed. */
async function change(json) {
	try {
		const { refused } = await call("/api/audio/bulk", { method: "POST", json })
		if (refused.length) toast(refused[0].problem.detail)
		return refused.length < json.ids.length
	} catch (error) {
		toast(sentence(error))
		return false
	}
}
