// All uploads: two files at a time, recordings at once, and those of a closed tab.
import { onReturn } from "./connection.js"
import { $ } from "./dom.js"
import { offerToDrop } from "./duplicates.js"
import { claim, keep, kept } from "./keeping.js"
import { fileSource, RecordingSource } from "./sources.js"
import { Upload } from "./upload.js"
import { uploadRow } from "./upload_row.js"
import { UploadsPanel } from "./uploads_panel.js"

const AT_ONCE = 2 // a browser has six connections, and one is kept for events and one for listening
const DONE_STAYS = 6000
const uploads = new Map()
const panel = new UploadsPanel({ cancelAll })
let open = () => {}

export const onOpen = (act) => (open = act)

/** Uploads a file, or goes on with one that was begun. */
export function addFile(file, { tag, category }) {
	const same = [...uploads.values()].find(({ upload }) => upload.state === "absent" && isFile(upload.kept, file))
	if (same) return resume(same.upload, fileSource(file))
	const { name, size, type, lastModified } = file
	add({ id: newId(), kind: "file", name, size, type, lastModified, tag, category }, fileSource(file))
}

/** Uploads a recording while it goes on; returns where its pieces go, and how to drop it. */
export function addRecording(recording) {
	const about = { id: newId(), kind: "recording", size: null, ...recording }
	const source = new RecordingSource(about.id)
	keep(about).catch(() => {})
	const upload = add(about, source)
	return {
		source,
		relabel: (labels) => upload.relabel(labels),
		discard: () => void (upload.discard(), show(upload, false)),
		takeBack: () => void (upload.takeBack(), show(upload, true), resume(upload)),
		cancel: () => cancel(upload),
	}
}

/** Takes up what an earlier tab left: recordings at once, files when chosen again. */
export async function takeUp() {
	for (const about of await kept().catch(() => [])) {
		if (uploads.has(about.id) || !(await claim(about.id))) continue
		const source = about.kind === "recording" ? await RecordingSource.kept(about.id) : null
		if (about.discarded || source?.size === 0) await new Upload(about, { changed() {} }).cancel()
		else add(about, source, { claimed: true })
	}
}

function add(about, source, { claimed = false } = {}) {
	if (!claimed) claim(about.id)
	let due = false
	const upload = new Upload(about, { source, changed })
	const acts = {
		pause: () => upload.pause(),
		urge: () => upload.urge(),
		resume: () => resume(upload),
		cancel: () => cancel(upload),
		choose: () => $("files").click(),
		open: () => open(upload.recording),
	}
	const row = uploadRow(upload, acts)
	function changed() {
		if (upload.state === "done") setTimeout(() => remove(upload), DONE_STAYS)
		if (upload.state === "done" && upload.original) offerToDrop(upload.recording, upload)
		if (upload.state !== "sending") return void (row.renew(), draw(), next())
		if (due) return
		due = true // a bar that moves ten times a second is smooth
		setTimeout(() => ((due = false), row.renew(), draw()), 100)
	}
	uploads.set(about.id, { upload, row })
	$("uploads").append(row.element)
	draw()
	next()
	return upload
}

function show(upload, shown) {
	uploads.get(upload.kept.id).row.element.hidden = !shown
	draw()
}

function draw() {
	panel.draw([...uploads.values()].filter(({ row }) => !row.element.hidden).map(({ upload }) => upload))
}

function resume(upload, source = null) {
	if (source) upload.source = source
	upload.anew = 0
	upload.turn("waiting")
}

/** Cancels what isn't there yet; a recording that goes on is stopped where it was begun. */
function cancelAll() {
	for (const { upload } of [...uploads.values()]) {
		if (upload.state !== "done" && upload.source?.ended !== false) cancel(upload)
	}
}

async function cancel(upload) {
	remove(upload)
	await upload.cancel()
}

function remove(upload) {
	const entry = uploads.get(upload.kept.id)
	if (!entry) return
	if (entry.row.element.contains(document.activeElement)) $("files").focus()
	uploads.delete(upload.kept.id)
	entry.row.element.remove()
	panel.leave(upload)
	draw()
	next()
}

function next() {
	const all = [...uploads.values()].map(({ upload }) => upload)
	let free = AT_ONCE - all.filter(({ state, kept }) => kept.kind === "file" && (state === "sending" || state === "stuck")).length
	for (const upload of all.filter(({ state }) => state === "waiting")) {
		if (upload.kept.kind === "file" && free-- <= 0) continue
		upload.run()
	}
}

const isFile = (about, file) =>
	about.kind === "file" && about.name === file.name && about.size === file.size && about.lastModified === file.lastModified

const newId = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

function urgeAll() {
	for (const { upload } of uploads.values()) upload.urge()
}

onReturn(urgeAll)
addEventListener("online", urgeAll)
