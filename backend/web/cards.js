// What settings consist of: cards, and tables in them.
import { make } from "./dom.js"

export function card(title, ...children) {
	return make("div", { class: "card" }, make("h2", { text: title }), ...children)
}

/** A table that scrolls by itself where it is wider than the screen. */
export function table(caption, heads, rows) {
	const head = make("tr", {}, ...heads.map((text) => (text ? make("th", { scope: "col", text }) : make("td"))))
	const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))
	const element = make("table", {}, make("caption", { class: "unseen", text: caption }), make("thead", {}, head), make("tbody", {}, ...body))
	return make("div", { class: "scrolls", tabIndex: 0, role: "group", "aria-label": caption }, element)
}
