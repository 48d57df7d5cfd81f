// A transcript's wording edited as plain text, beside what was heard.
import { call, sentence } from "./api.js"
import { $, make, narrow } from "./dom.js"
import { plainText } from "./spoken_text.js"
import { toast } from "./toast.js"

const drafts = new Map() // what was typed and isn't saved, by recording

addEventListener("beforeunload", (event) => {
	if (drafts.size) event.preventDefault()
})

const put = (id, text) => call(`/api/audio/${id}/transcript`, { method: "PUT", json: { text } })

export class TranscriptEditing {
	constructor(view) {
		this.view = view
		this.id = view.id
		this.heard = plainText(view.document)
		this.before = view.improved ?? null
		this.field = make("textarea", { dir: "auto", "aria-label": "Wording", spellcheck: true, value: drafts.get(this.id) ?? this.before ?? this.heard })
		this.problem = make("p", { class: "problem", role: "alert" })
		this.saving = make("button", { class: "main small", text: "Save" })
		this.toggle = make("button", { type: "button", class: "plain small", text: "Show what was heard", onclick: () => this.showHeard($("transcript").hidden) })
		const cancel = make("button", { type: "button", class: "quiet small", text: "Cancel", onclick: () => this.cancel() })
		this.form = make("form", { class: "rewording", "aria-label": "Edit the transcript" }, this.field, this.problem, make("span", { class: "acts" }, this.saving, cancel, this.toggle))
		this.listen()
		view.box.after(this.form)
		$("edit").hidden = $("copy").hidden = true
		view.word(false)
		$("wording").hidden = true
		this.showHeard(!narrow.matches)
		if (drafts.has(this.id)) this.problem.textContent = "This is what you typed before; it isn't saved yet."
		this.field.focus()
		this.field.setSelectionRange(0, 0)
		this.field.scrollTop = 0
	}

	listen() {
		this.field.addEventListener("input", () => this.remember())
		this.form.addEventListener("keydown", (event) => {
			event.stopPropagation() // Escape and Enter are the form's
			if (event.key === "Escape" && !drafts.has(this.id)) this.cancel()
			if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit()
		})
		this.form.addEventListener("submit", (event) => {
			event.preventDefault()
			this.save()
		})
	}

	remember() {
		if (this.field.value === (this.before ?? this.heard)) drafts.delete(this.id)
		else drafts.set(this.id, this.field.value)
	}

	showHeard(shown) {
		$("transcript").hidden = !shown
		this.toggle.setAttribute("aria-pressed", String(shown))
	}

	/** Saves, unless somebody else has changed the wording meanwhile: then the next attempt replaces that. */
	async save() {
		this.saving.disabled = true
		this.problem.textContent = ""
		try {
			const { transcript, is_improved: isImproved } = await call(`/api/audio/${this.id}/transcript`)
			const current = isImproved ? transcript : null
			if (current !== this.before) {
				this.before = current
				this.problem.textContent = "Somebody has changed this transcript meanwhile. Save again to replace their wording, or cancel to see it."
				return
			}
			await this.send()
		} catch (error) {
			this.problem.textContent = `Not saved. ${sentence(error)} What you typed is still here.`
		} finally {
			this.saving.disabled = false
		}
	}

	async send() {
		const { id, view, before } = this
		const text = this.field.value.trim()
		const answer = await put(id, text && text !== this.heard ? text : null)
		const improved = answer.is_improved ? answer.transcript : null
		drafts.delete(id)
		this.leave()
		const show = (wording) => view.document && view.id === id && view.reword(wording)
		show(improved)
		$("edit").focus()
		if (improved === before) return
		const undo = () => put(id, before).then(() => show(before)).catch((error) => toast(sentence(error)))
		toast("The transcript was saved.", { label: "Undo", act: undo })
	}

	cancel() {
		drafts.delete(this.id)
		const { view, before } = this
		this.leave()
		view.reword(before)
		$("edit").focus()
	}

	/** Ends it; what was typed and isn't saved is there the next time. */
	leave() {
		this.form.remove()
		this.view.editing = null
		$("transcript").hidden = false
		$("edit").hidden = $("copy").hidden = this.view.document === null
	}
}
