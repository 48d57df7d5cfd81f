// The list of recordings: filtered, sorted, by pages, kept up to date.
import { call, sentence } from "./api.js"
import { byDays } from "./days.js"
import { $, arrange, on, say, settled } from "./dom.js"
import { edit } from "./editing.js"
import { number } from "./format.js"
import { choose, learn } from "./labels.js"
import { use } from "./parts.js"
import { isBeingRemoved, pendingRemovals, removeWithUndo } from "./removal.js"
import { recordingRow } from "./row.js"
import { toast } from "./toast.js"

const PAGE = 50
const LARGEST_PAGE = 1000
const FILTERS = ["q", "tag", "category", "status"]
const NEWEST = "uploaded desc"

export class List {
	constructor({ open, play, queue, removed, changed }) {
		this.acts = {
			open: (recording) => (this.selection?.active ? this.selection.toggle(recording.id) : open(recording)),
			play,
			queue,
			edit: this.edit.bind(this),
			remove: (recording) => this.remove([recording]),
			retry: this.retry.bind(this),
			select: (recording, how) => this.selection.toggle(recording.id, how),
		}
		this.removed = removed
		this.changed = changed
		this.rows = new Map()
		this.total = 0
		this.about = ""
		this.unseen = 0
		this.current = { shown: null, playing: null, heard: null, queue: null }
		this.loadSoon = settled(() => this.load(), 400)
		this.selection = null
		this.readAddress()
		this.listen()
	}

	// What is asked for stands in the address: it outlives a reload, and can be passed on.
	readAddress() {
		const params = new URLSearchParams(location.search)
		this.filters = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? ""]))
		this.sort = params.get("sort") ?? NEWEST
		this.page = Math.max(0, (Number(params.get("page")) || 1) - 1)
		$("q").value = this.filters.q
		for (const name of ["tag", "category"]) choose($(name), this.filters[name])
		$("status").value = this.filters.status
		$("sort").value = this.sort
		if ($("sort").selectedIndex < 0) $("sort").value = this.sort = NEWEST
	}

	writeAddress() {
		const query = new URLSearchParams(this.terms)
		if (this.sort !== NEWEST) query.set("sort", this.sort)
		if (this.page) query.set("page", this.page + 1)
		history.replaceState(history.state, "", query.size ? `?${query}` : location.pathname)
	}

	/** Asks for what the address says now, if that is something else. */
	followAddress() {
		const before = JSON.stringify([this.filters, this.sort, this.page])
		this.readAddress()
		if (JSON.stringify([this.filters, this.sort, this.page]) !== before) this.load()
	}

	listen() {
		const ask = (changes) => {
			Object.assign(this, changes, { page: 0 })
			this.load()
		}
		const typed = settled(() => ask({ filters: { ...this.filters, q: $("q").value.trim() } }), 180)
		on("q", "input", typed)
		for (const name of ["tag", "category", "status"]) {
			on(name, "change", () => ask({ filters: { ...this.filters, [name]: $(name).value } }))
		}
		on("sort", "change", () => ask({ sort: $("sort").value }))
		on("filters-fold", "click", () => {
			const open = $("picks").classList.toggle("open")
			$("filters-fold").setAttribute("aria-expanded", String(open))
		})
		on("filters", "submit", (event) => event.preventDefault())
		on("clear", "click", () => {
			this.clear()
			$("q").focus()
		})
		on("select", "click", () => this.startSelection())
		for (const label of ["tag", "category"]) on(`rename-${label}`, "click", () => this.rename(label))
		on("news", "click", () => this.turn(0))
		on("newer", "click", () => this.turn(this.page - 1))
		on("older", "click", () => this.turn(this.page + 1))
	}

	clear() {
		for (const name of FILTERS) $(name).value = ""
		this.filters = Object.fromEntries(FILTERS.map((name) => [name, ""]))
		this.page = 0
		this.load()
	}

	async turn(page) {
		this.page = Math.max(0, page)
		await this.load()
		$("library").focus({ preventScroll: true })
		$("library").scrollIntoView({ block: "start" })
	}

	get filtered() {
		return FILTERS.some((name) => this.filters[name])
	}

	/** What selects and sorts these recordings, as parameters of the list. */
	query(parameters) {
		const [sort, order] = this.sort.split(" ")
		return new URLSearchParams({ ...parameters, transcripts: false, sort, order, ...this.terms })
	}

	/** What selects them, as parameters of a filter. */
	get terms() {
		return Object.fromEntries(Object.entries(this.filters).filter(([, value]) => value))
	}

	/** Asks for the page; what is shown stays until it is there. */
	async load() {
		this.asking?.abort()
		const asking = (this.asking = new AbortController())
		const query = this.query({ limit: Math.min(LARGEST_PAGE, PAGE + pendingRemovals()), offset: this.page * PAGE })
		this.writeAddress()
		const slow = setTimeout(() => $("list").setAttribute("aria-busy", "true"), 250)
		try {
			const { items, total, total_is_exact: exact } = await call(`/api/audio/?${query}`, { signal: asking.signal })
			if (items.length === 0 && total > 0) {
				this.page = Math.ceil(total / PAGE) - 1
				return await this.load()
			}
			const remaining = items.filter(({ id }) => !isBeingRemoved(id))
			this.total = total - (this.filtered ? items.length - remaining.length : pendingRemovals())
			this.about = exact ? "" : "about "
			this.unseen = 0
			this.show(remaining.slice(0, PAGE))
		} catch (error) {
			if (error.name !== "AbortError") this.fail(error)
		} finally {
			clearTimeout(slow)
			if (this.asking === asking) $("list").setAttribute("aria-busy", "false")
		}
	}

	show(items) {
		const rows = new Map()
		for (const item of items) {
			const row = this.rows.get(item.id) ?? recordingRow(item, this.acts)
			row.renew({ highlights: undefined, ...item })
			rows.set(item.id, row)
		}
		this.rows = rows
		this.draw()
	}

	draw() {
		const rows = [...this.rows.values()]
		const grouped = this.sort.startsWith("uploaded")
		$("list").classList.toggle("by-day", grouped)
		arrange($("list"), grouped ? byDays(rows) : rows.map((row) => row.element))
		this.mark(this.current)
		$("select").hidden = this.rows.size === 0
		this.selection?.draw()
		const [from, to] = [this.page * PAGE + 1, this.page * PAGE + this.rows.size]
		const things = this.total === 1 ? "recording" : "recordings"
		say("count", this.total ? `${this.about}${number(this.total)} ${things}${this.filtered ? " found" : ""}` : "")
		$("clear").hidden = !this.filtered
		for (const label of ["tag", "category"]) $(`rename-${label}`).hidden = !this.filters[label]
		const picked = FILTERS.filter((name) => name !== "q" && this.filters[name]).length
		$("filters-fold").querySelector("span").textContent = picked ? `Filters (${picked})` : "Filters"
		$("news").hidden = this.unseen === 0
		say("news", this.unseen === 1 ? "1 new recording" : `${number(this.unseen)} new recordings`)
		$("pager").hidden = this.total <= PAGE
		say("where", `${number(from)}–${number(to)} of ${this.about}${number(this.total)}`)
		$("newer").disabled = this.page === 0
		$("older").disabled = (this.page + 1) * PAGE >= this.total
		this.drawEmpty(this.rows.size === 0)
	}

	drawEmpty(empty, { title, text, act } = {}) {
		$("empty").hidden = !empty
		$("empty").classList.toggle("first", !title && !this.filtered)
		if (!empty) return
		const [head, words, button] = ["h3", "p", "button"].map((name) => $("empty").querySelector(name))
		head.textContent = title ?? (this.filtered ? "No results" : "No recordings yet")
		words.textContent = text ?? (this.filtered ? "Try other words, or fewer filters." : "Record something, or choose files. They appear here at once.")
		button.hidden = !act
		if (act) [button.textContent, button.onclick] = act
	}

	fail(error) {
		if (error.status === 401) return
		if (this.rows.size) toast(`The list couldn't be loaded. ${sentence(error)}`)
		else this.drawEmpty(true, { title: "The list couldn't be loaded", text: sentence(error), act: ["Try again", () => this.load()] })
	}

	/** Takes in a change that happened somewhere. */
	tell(change, recording) {
		learn(recording)
		const row = this.rows.get(recording.id)
		if (change === "deleted") this.drop(recording.id)
		else if (row) row.renew(recording)
		else if (change === "created") this.greet(recording)
		else if (this.page === 0 && this.filtered) this.loadSoon()
	}

	/** A new recording comes in where it belongs; somebody who has turned to a later page gets a button, and isn't moved. */
	greet(recording) {
		const { q, ...equal } = this.filters
		const fits = !equal.status || equal.status === recording.processing_status
		if (!fits || ["tag", "category"].some((name) => equal[name] && equal[name] !== recording[name])) return
		if (this.page > 0) this.unseen += 1
		else if (q || this.sort !== NEWEST) return this.loadSoon()
		else {
			const rows = [...this.rows].slice(0, PAGE - 1)
			this.rows = new Map([[recording.id, recordingRow(recording, this.acts)], ...rows])
		}
		this.total += 1
		this.draw()
	}

	drop(id) {
		const row = this.rows.get(id)
		if (!row) return this.loadSoon()
		const at = [...this.rows.keys()].indexOf(id)
		const hadFocus = row.element.contains(document.activeElement)
		this.rows.delete(id)
		this.total -= 1
		this.draw()
		if (hadFocus) ([...this.rows.values()][Math.min(at, this.rows.size - 1)] ?? { focus: () => $("q").focus() }).focus()
		if (this.total > this.page * PAGE + this.rows.size) this.loadSoon()
		this.removed(id)
	}

	edit(recording, place, from) {
		edit(recording, { place, from, saved: (changed) => this.renew(changed) })
	}

	/** Renames the chosen tag or category in all recordings. */
	rename(label) {
		const old = this.filters[label]
		const renamed = (name) => {
			this.filters = { ...this.filters, [label]: name }
			choose($(label), name)
			this.load()
		}
		use("renaming", ({ askForName }) => askForName(label, old, { renamed }))
	}

	startSelection() {
		use("selection", ({ Selection }) => {
			this.selection ??= new Selection(this)
			this.selection.start()
		})
	}

	renew(changed) {
		this.rows.get(changed.id)?.renew(changed)
		this.changed(changed)
	}

	remove(recordings) {
		removeWithUndo(recordings, { back: () => this.load() })
		for (const { id } of recordings) this.drop(id)
	}

	async retry(recording) {
		try {
			this.renew(await call(`/api/audio/${recording.id}/retry`, { method: "POST" }))
		} catch (error) {
			toast(sentence(error))
		}
	}

	/** Marks the recordings that are shown in the player, heard and playing, by their ids, and those in the queue. */
	mark(current) {
		this.current = current
		const { shown, playing, heard, queue } = current
		for (const [id, row] of this.rows) {
			row.choose({ chosen: id === shown, playing: id === playing, queued: Boolean(queue?.has(id)), queues: heard !== null && id !== heard })
		}
	}
}
