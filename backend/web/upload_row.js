// An upload's name, bar, speed and time left, and what can be done with it.
import { icon, iconButton, make } from "./dom.js"
import { left, size } from "./format.js"

/** The row of an upload, and how to renew it. */
export function uploadRow(upload, acts) {
	const name = upload.record.title ?? upload.record.name
	const text = make("span", { class: "progress" })
	const bar = make("progress", { max: 1, "aria-label": `Upload of ${name}` })
	const buttons = make("span", { class: "acts" })
	const element = make("li", { class: "upload" }, make("span", { class: "name", text: name, title: name }), buttons, text, bar)
	let shown = ""

	function renew() {
		text.textContent = sentenceOf(upload)
		element.className = `upload ${upload.state}`
		if (upload.state === "done") bar.value = 1
		else bar.value = upload.size ? upload.sent / upload.size : 0
		bar.hidden = upload.state === "failed" || !upload.size
		const kind = upload.state === "sending" && upload.growing ? "recording" : upload.state
		if (shown === kind) return
		shown = kind
		const focused = buttons.contains(document.activeElement)
		buttons.replaceChildren(...buttonsOf(kind, name, acts))
		if (focused) buttons.querySelector("button")?.focus()
	}

	renew()
	return { element, renew }
}

function sentenceOf(upload) {
	const { state, sent, size: whole, speed, reason } = upload
	const part = whole ? `${size(sent)} of ${size(whole)}` : size(sent)
	switch (state) {
		case "waiting":
			return `${whole ? `${size(whole)} · ` : ""}Waiting for its turn`
		case "paused":
			return `${part} · Paused`
		case "absent":
			return `${part} · Stopped when the page was closed. Choose the file again to go on.`
		case "stuck":
			return `${part} · ${reason}`
		case "failed":
			return reason
		case "done":
			return `Uploaded${whole ? ` · ${size(whole)}` : ""}`
	}
	if (upload.growing) return `${part} sent while you record`
	const rest = speed ? [`${size(speed)}/s`, left((whole - sent) / speed)] : []
	return [part, ...rest].join(" · ")
}

function buttonsOf(kind, name, acts) {
	const cancel = iconButton("close", `Cancel ${name}`, acts.cancel, "icon danger")
	switch (kind) {
		case "recording":
			return []
		case "sending":
			return [iconButton("pause", `Pause ${name}`, acts.pause), cancel]
		case "stuck":
			return [iconButton("retry", `Try ${name} again now`, acts.urge), cancel]
		case "paused":
			return [iconButton("play", `Resume ${name}`, acts.resume), cancel]
		case "absent":
			return [iconButton("file", `Choose ${name} again`, acts.choose), cancel]
		case "failed":
			return [iconButton("retry", `Try ${name} again`, acts.resume), iconButton("close", `Dismiss ${name}`, acts.cancel)]
		case "done":
			return [icon("check", "sign"), iconButton("play", `Listen to ${name}`, acts.open), iconButton("close", `Dismiss ${name}`, acts.dismiss)]
		default:
			return [cancel]
	}
}
