// The list of keys, where they can be switched off, too.
import { make } from "./dom.js"
import { shortcuts } from "./keys.js"

const KEYS = [
	[["/"], "Search"],
	[["Space"], "Play or pause"],
	[["←", "→"], "Back or forward 10 seconds; in the list, the buttons of a recording"],
	[["↑", "↓"], "Previous or next recording in the list"],
	[["Enter"], "Open the recording"],
	[["Delete"], "Delete the recording"],
	[["?"], "This help"],
]
let dialog = null

export function showHelp() {
	dialog ??= build()
	if (!dialog.open) dialog.showModal()
}

function build() {
	const title = make("h2", { id: "help-title", text: "Keyboard shortcuts" })
	const keys = KEYS.flatMap(([names, text]) => [
		make("dt", {}, ...names.flatMap((name, at) => [at ? " " : "", make("kbd", { text: name })])),
		make("dd", { text }),
	])
	const box = make("input", { type: "checkbox", checked: shortcuts.on, onchange: () => (shortcuts.on = box.checked) })
	const form = make("form", { method: "dialog" }, make("label", { class: "check" }, box, " Use keyboard shortcuts"), make("button", { class: "main", text: "Close" }))
	const element = make("dialog", { id: "help", class: "help", "aria-labelledby": "help-title" }, title, make("dl", {}, ...keys), form)
	document.body.append(element)
	return element
}
