// Title, tag and category of a recording, edited where they stand.
import { call, sentence } from "./api.js"
import { make } from "./dom.js"
import { learn } from "./labels.js"
import { fileNameOf, nameOf } from "./format.js"

/** Shows the form in `place`; then the focus goes back to `from`. */
export function edit(recording, { place, from, saved }) {
	const open = place.querySelector("form.edit")
	if (open) return open.querySelector("input").focus()
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const fields = {
		title: field("Title", { value: nameOf(recording), maxLength: 200, placeholder: fileNameOf(recording) }),
		tag: field("Tag", { value: recording.tag, list: "tags" }),
		category: field("Category", { value: recording.category, list: "categories" }),
	}
	const title = fields.title.querySelector("input")
	const shown = title.value
	const save = make("button", { type: "submit", class: "main", text: "Save" })
	const leave = make("button", { type: "button", class: "quiet", text: "Cancel", onclick: close })
	const acts = make("span", { class: "acts" }, save, leave)
	const form = make("form", { class: "edit", "aria-label": `Title, tag and category of ${nameOf(recording)}` }, ...Object.values(fields), acts, problem)

	function close() {
		form.remove()
		from.focus()
	}

	form.addEventListener("keydown", (event) => event.key === "Escape" && close())
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		save.disabled = true
		const json = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.querySelector("input").value.trim() || null]))
		if (!recording.title && title.value === shown) json.title = null // a file's name that was left as it is
		try {
			const changed = await call(`/api/audio/${recording.id}`, { method: "PATCH", json })
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
	title.select()
}

function field(label, { value, list, maxLength = 100, placeholder = "None" }) {
	const input = make("input", { maxLength, autocomplete: "off", dir: "auto", value: value ?? "", placeholder })
	if (list) input.setAttribute("list", list)
	return make("label", { class: "field" }, make("span", { text: label }), input)
}
