// Messages at the foot of the page, gathered in one box; they stay while pointed at or focused.
import { $, make } from "./dom.js"

const STAYS = 7000
const MOST = 3
const shown = new Map() // by what they are about

/**
 * Shows a message, with a button `label`; `over` is called when its time is up. Returns how to end it.
 * Where `many` words a number of them, of which this is `count`, those that come while one is shown become one, with one button for all.
 */
export function toast(text, { label, act, over, many, count } = {}) {
	const kind = many ? many(2) : text
	const message = shown.get(kind) ?? new Message(kind, label)
	return message.add(text, { act, over, many, count })
}

class Message {
	constructor(kind, label) {
		this.kind = kind
		this.entries = []
		this.count = 0
		this.text = make("span")
		this.element = make("div", { class: "toast" }, this.text)
		if (label) this.element.append(make("button", { text: label, onclick: () => this.end("act") }))
		this.element.append(make("button", { text: "Close", onclick: () => this.end("over") }))
		for (const event of ["pointerenter", "focusin"]) this.element.addEventListener(event, () => clearTimeout(this.timer))
		for (const event of ["pointerleave", "focusout"]) this.element.addEventListener(event, () => this.wait())
		if (shown.size === MOST) shown.values().next().value.end("over")
		shown.set(kind, this)
		$("toasts").append(this.element)
	}

	add(text, { many, count = 1, ...entry }) {
		this.entries.push(entry)
		this.count += count
		this.text.textContent = many && this.count > 1 ? many(this.count) : text
		this.wait()
		return () => this.end("over")
	}

	wait() {
		clearTimeout(this.timer)
		this.timer = setTimeout(() => this.end("over"), STAYS)
	}

	/** Takes the message away, and does for each of its causes what was chosen: "act" or "over". */
	end(choice) {
		clearTimeout(this.timer)
		if (!shown.delete(this.kind)) return
		this.element.remove()
		for (const entry of this.entries) entry[choice]?.()
	}
}
