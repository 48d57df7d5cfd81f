// Tags and categories in use, to complete and to choose from.
import { call } from "./api.js"
import { $, make, settled } from "./dom.js"

const labels = { tag: new Set(), category: new Set() }

export async function loadLabels() {
	const { tags, categories } = await call("/api/audio/tags")
	labels.tag = new Set(tags)
	labels.category = new Set(categories)
	show()
}

export const isInUse = (field, text) => labels[field].has(text)

const loadSoon = settled(() => loadLabels().catch(() => {}), 1000)

export function learn(recording) {
	for (const field of ["tag", "category"]) {
		if (recording[field] && !labels[field].has(recording[field])) loadSoon()
	}
}

function show() {
	for (const [field, list] of [["tag", "tags"], ["category", "categories"]]) {
		const options = [...labels[field]].map((label) => make("option", { value: label }))
		$(list).replaceChildren(...options)
		const select = $(field)
		const chosen = select.value
		const choices = [...labels[field]].map((label) => make("option", { value: label, text: label }))
		select.replaceChildren(select.options[0], ...choices)
		choose(select, chosen)
	}
}

/** Chooses a label in a filter, also one that no recording bears. */
export function choose(select, label) {
	if (label && ![...select.options].some((option) => option.value === label)) {
		select.append(make("option", { value: label, text: label }))
	}
	select.value = label
}
