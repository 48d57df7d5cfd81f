// Tag and category of a recording, edited where they stand.
import { call, sentence } from "./api.js"
import { make } from "./dom.js"
import { learn } from "./labels.js"
import { nameOf } from "./format.js"

/** Shows the form in `place`; then the focus goes back to `from`. */
export function edit(recording, { place, from, saved }) {
	const open = place.querySelector("form.edit")
	if (open) return open.querySelector("input").focus()
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const tag = field("Tag", "tags", recording.tag)
	const category = field("Category", "categories", recording.category)
	const save = make("button", { type: "submit", class: "main", text: "Save" })
	const leave = make("button", { type: "button", class: "quiet", text: "Cancel", onclick: close })
	const acts = make("span", { class: "acts" }, save, leave)
	const form = make("form", { class: "edit", "aria-label": `Tag and category of ${nameOf(recording)}` }, tag, category, acts, problem)

	function close() {
		form.remove()
		from.focus()
	}

	form.addEventListener("keydown", (event) => event.key === "Escape" && close())
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		save.disabled = true
		const json = { tag: tag.querySelector("input").value.trim() || null, category: category.querySelector("input").value.trim() || null }
		try {
			const changed = await call(`/api/audio/${recording.id}/tags`, { method: "PUT", json })
			learn(changed)
			saved(changed)
			close()
		} catch (error) {
			problem.textContent = sentence(error)
			problem.hidden = false
		} finally {
			save.disabled = false
		}
	})
	place.append(form)
	tag.querySelector("input").select()
}

function field(label, list, value) {
	const input = make("input", { maxLength: 100, autocomplete: "off", value: value ?? "", placeholder: "None" })
	input.setAttribute("list", list)
	return make("label", { class: "field" }, make("span", { text: label }), input)
}
