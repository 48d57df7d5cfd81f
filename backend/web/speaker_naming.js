// Names somebody who speaks in a recording, everywhere in its transcript.
import { call, sentence } from "./api.js"
import { make } from "./dom.js"
import { speakerName, speakersOf } from "./spoken_text.js"
import { toast } from "./toast.js"

const LONGEST = 100

/** Asks for the name of the speaker below the line that `button` begins. */
export function nameSpeaker(view, speaker, button) {
	view.box.querySelector("form.naming")?.remove()
	const { document: transcript, id } = view
	const input = make("input", { maxLength: LONGEST, autocomplete: "off", dir: "auto", value: transcript.speakers?.[speaker] ?? "", placeholder: `Speaker ${speaker}` })
	const label = make("label", { class: "field" }, make("span", { text: `Who is ${speakerName(transcript, speaker)}?` }), input)
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const save = make("button", { class: "main small", text: "Save" })
	const cancel = make("button", { type: "button", class: "quiet small", text: "Cancel", onclick: close })
	const form = make("form", { class: "naming", "aria-label": `Name of ${speakerName(transcript, speaker)}` }, label, make("span", { class: "acts" }, save, cancel), problem)

	function close() {
		form.remove()
		button.focus()
	}

	form.addEventListener("keydown", (event) => {
		event.stopPropagation()
		if (event.key === "Escape") close()
	})
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		save.disabled = true
		try {
			await rename(view, { id, speaker, name: input.value.trim() })
			close()
			view.box.querySelector(`[data-speaker="${CSS.escape(speaker)}"]`)?.focus({ preventScroll: true })
		} catch (error) {
			problem.textContent = sentence(error)
			problem.hidden = false
		} finally {
			save.disabled = false
		}
	})
	button.closest("p").after(form)
	input.select()
	form.scrollIntoView({ block: "nearest" })
}

async function rename(view, { id, speaker, name }) {
	const before = view.document.speakers?.[speaker] ?? ""
	const oldName = speakerName(view.document, speaker)
	if (name === before) return
	await save(view, { id, speaker, name })
	const newName = name || `Speaker ${speaker}`
	const undo = () => save(view, { id, speaker, name: before }).catch((error) => toast(sentence(error)))
	toast(`${oldName} is now “${newName}” in this recording.`, { label: "Undo", act: undo })
}

/** Names one speaker, beside the names that the others have by now; the page may show another recording meanwhile. */
async function save(view, { id, speaker, name }) {
	const place = `/api/audio/${id}/transcript`
	const { speakers: current = {} } = await call(`${place}?format=json`)
	const speakers = { ...current, [speaker]: name }
	if (!name) delete speakers[speaker]
	const answer = await call(`${place}/speakers`, { method: "PUT", json: { speakers } })
	if (view.document && view.id === id) view.rename(answer.speakers)
}
