// Short messages at the foot of the page; they stay while pointed at or focused.
import { $, make } from "./dom.js"

const STAYS = 7000

/** Shows a message, with a button `label`; `over` is called when its time is up. Returns how to end it. */
export function toast(text, { label, act, over } = {}) {
	const element = make("div", { class: "toast" }, make("span", { text }))
	let timer
	const end = (then) => {
		clearTimeout(timer)
		if (!element.isConnected) return
		element.remove()
		then?.()
	}
	const wait = () => {
		clearTimeout(timer)
		timer = setTimeout(end, STAYS, over)
	}
	if (label) element.append(make("button", { text: label, onclick: () => end(act) }))
	element.append(make("button", { text: "Close", onclick: () => end(over) }))
	for (const event of ["pointerenter", "focusin"]) element.addEventListener(event, () => clearTimeout(timer))
	for (const event of ["pointerleave", "focusout"]) element.addEventListener(event, wait)
	$("toasts").append(element)
	wait()
	return () => end(over)
}
