// The list by days: above the first recording of each stands which one it is.
import { make } from "./dom.js"
import { dayOf } from "./format.js"

const headings = new Map()

/** Rows with the headings of their days in between. */
export function byDays(rows) {
	let last = null
	return rows.flatMap(({ element, recording }) => {
		const day = dayOf(recording.upload_timestamp)
		if (day === last) return [element]
		last = day
		return [heading(day), element]
	})
}

function heading(day) {
	if (!headings.has(day)) headings.set(day, make("li", { class: "day" }, make("h3", { text: day })))
	return headings.get(day)
}
