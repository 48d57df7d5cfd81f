// Elements, made from text: nothing turns text into markup.
const SVG = "http://www.w3.org/2000/svg"

export const $ = (id) => document.getElementById(id)
export const say = (id, text) => ($(id).textContent = text)
export const on = (id, event, act) => $(id).addEventListener(event, act)

/** An element: `text`, and properties or attributes. */
export function make(tag, { text, ...more } = {}, ...children) {
	const element = document.createElement(tag)
	for (const [name, value] of Object.entries(more)) {
		if (name in element && typeof value !== "object") element[name] = value
		else element.setAttribute(name, value)
	}
	if (text !== undefined) element.textContent = text
	element.append(...children.filter((child) => child !== null))
	return element
}

export function icon(name, kind = "") {
	const svg = document.createElementNS(SVG, "svg")
	svg.setAttribute("aria-hidden", "true")
	svg.setAttribute("viewBox", "0 0 24 24")
	if (kind) svg.setAttribute("class", kind)
	const use = document.createElementNS(SVG, "use")
	use.setAttribute("href", `#i-${name}`)
	svg.append(use)
	return svg
}

/** A button with an icon alone; its label is a tooltip. */
export function iconButton(name, label, onClick, kind = "icon") {
	return make("button", { class: kind, title: label, "aria-label": label, onclick: onClick }, icon(name))
}

/** Makes a button one that plays, or one that pauses what plays. */
export function showPlaying(button, playing, what = "") {
	button.replaceChildren(icon(playing ? "pause" : "play"))
	button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${what}`.trim())
}

/** Gives a list these children in this order, moving few: what has the focus keeps it. */
export function arrange(list, children) {
	const remaining = new Set(children)
	for (const child of [...list.children]) if (!remaining.has(child)) child.remove()
	children.forEach((child, at) => {
		if (list.children[at] !== child) list.insertBefore(child, list.children[at] ?? null)
	})
}

export function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

/** A canvas as large as it is shown, with its size in CSS pixels. */
export function prepare(canvas) {
	const { width, height } = canvas.getBoundingClientRect()
	const scale = window.devicePixelRatio || 1
	const pixels = [Math.round(width * scale), Math.round(height * scale)]
	if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels
	const context = canvas.getContext("2d")
	context.setTransform(scale, 0, 0, scale, 0, 0)
	context.clearRect(0, 0, width, height)
	return { context, width, height }
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)")
export const dark = matchMedia("(prefers-color-scheme: dark)")
export const narrow = matchMedia("(max-width: 60rem)")

/** Calls `act` once nothing more has come for so long. */
export function settled(act, milliseconds) {
	let timer
	return (...values) => {
		clearTimeout(timer)
		timer = setTimeout(act, milliseconds, ...values)
	}
}

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon))
