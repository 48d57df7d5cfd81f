// Renames a tag or a category in all recordings that have it, or merges it into another one.
import { call, sentence } from "./api.js"
import { make } from "./dom.js"
import { number } from "./format.js"
import { isInUse, loadLabels } from "./labels.js"
import { toast } from "./toast.js"

const LISTS = { tag: "tags", category: "categories" }
const recordings = (count) => (count === 1 ? "1 recording" : `${number(count)} recordings`)
const rename = (label, from, to) => call("/api/audio/labels/rename", { method: "POST", json: { label, from, to } })

/** Asks for the new text of the `label` "tag" or "category"; `renamed` is called with it once it is that of all. */
export async function askForName(label, old, { renamed }) {
	const input = make("input", { maxLength: 100, autocomplete: "off", dir: "auto", required: true, value: old })
	input.setAttribute("list", LISTS[label])
	const effect = make("p", { class: "muted", role: "status" })
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const save = make("button", { class: "main", text: "Rename" })
	const cancel = make("button", { type: "button", class: "quiet", text: "Cancel", onclick: () => dialog.close() })
	const title = make("h2", { id: "renaming-title", text: `Rename the ${label} “${old}”` })
	const form = make("form", {}, title, make("label", { class: "field" }, make("span", { text: "New name" }), input), effect, problem, cancel, save)
	const dialog = make("dialog", { class: "help", "aria-labelledby": "renaming-title" }, form)
	const merges = () => input.value.trim() !== old && isInUse(label, input.value.trim())
	let count = null

	function describe() {
		save.textContent = merges() ? "Merge" : "Rename"
		const all = count === null ? "" : `${recordings(count)} will change.`
		effect.textContent = merges() ? `“${input.value.trim()}” is in use already, and the two become one. This can't be undone. ${all}` : all
	}

	input.addEventListener("input", describe)
	dialog.addEventListener("close", () => dialog.remove())
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		const name = input.value.trim()
		if (!name || name === old) return dialog.close()
		const isMerge = merges()
		save.disabled = true
		try {
			const { changed } = await rename(label, old, name)
			dialog.close()
			finish(name, { changed, isMerge })
		} catch (error) {
			problem.textContent = sentence(error)
			problem.hidden = false
		} finally {
			save.disabled = false
		}
	})

	async function finish(name, { changed, isMerge }) {
		await apply(name)
		if (isMerge) toast(`“${old}” is now part of “${name}”, in ${recordings(changed)}.`)
		else toast(`“${old}” is now “${name}” in ${recordings(changed)}.`, { label: "Undo", act: () => undo(name) })
	}

	async function apply(name) {
		await loadLabels().catch(() => {})
		renamed(name)
	}

	async function undo(name) {
		try {
			await rename(label, name, old)
			await apply(old)
		} catch (error) {
			toast(sentence(error))
		}
	}

	document.body.append(dialog)
	dialog.showModal()
	input.select()
	const query = new URLSearchParams({ [label]: old, limit: 1, transcripts: false })
	count = await call(`/api/audio/?${query}`).then(({ total }) => total, () => null)
	describe()
}
