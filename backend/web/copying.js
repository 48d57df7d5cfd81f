// Copies a text to the clipboard, also where a page has none because it isn't from https.
import { make } from "./dom.js"
import { toast } from "./toast.js"

export async function copy(text) {
	const done = navigator.clipboard ? await navigator.clipboard.writeText(text).then(() => true, () => false) : copySelected(text)
	toast(done ? "Copied." : "This browser doesn't let the page copy.")
}

function copySelected(text) {
	const field = make("textarea", { class: "unseen", value: text, readOnly: true })
	const before = document.activeElement
	document.body.append(field)
	field.select()
	const done = document.execCommand("copy")
	field.remove()
	before?.focus()
	return done
}
