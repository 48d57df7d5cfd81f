// All uploads: two files at a time, recordings at once, and those of a closed tab.
import { onReturn } from "./connection.js"
import { $ } from "./dom.js"
import { offerToDrop } from "./duplicates.js"
import { claim, loadUploads, saveUpload } from "./upload_store.js"
import { fileSource, RecordingSource } from "./sources.js"
import { Upload } from "./upload.js"
import { uploadRow } from "./upload_row.js"
import { UploadsPanel } from "./uploads_panel.js"

const AT_ONCE = 2 // a browser has six connections, and one is taken by events and one for listening
const DONE_STAYS = 6000 // at least
const uploads = new Map()
const panel = new UploadsPanel({ cancelAll, close: dropDone })

/** Uploads a file, or goes on with one that was begun. */
export function addFile(file, { tag, category }) {
	dropDone()
	const same = [...uploads.values()].find(({ upload }) => upload.state === "absent" && isFile(upload.record, file))
	if (same) return resume(same.upload, fileSource(file))
	const { name, size, type, lastModified } = file
	add({ id: newId(), kind: "file", name, size, type, lastModified, tag, category }, fileSource(file))
}

/** Uploads a recording while it goes on; returns where its pieces go, and how to drop it. */
export function addRecording(recording) {
	dropDone()
	const record = { id: newId(), kind: "recording", size: null, ...recording }
	const source = new RecordingSource(record.id)
	saveUpload(record).catch(() => {})
	const upload = add(record, source)
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
	for (const record of await loadUploads().catch(() => [])) {
		if (uploads.has(record.id) || !(await claim(record.id))) continue
		const source = record.kind === "recording" ? await RecordingSource.restored(record.id) : null
		if (record.discarded || source?.size === 0) await new Upload(record, { changed() {} }).cancel()
		else add(record, source, { claimed: true })
	}
}

function add(record, source, { claimed = false } = {}) {
	if (!claimed) claim(record.id)
	let due = false
	const upload = new Upload(record, { source, changed })
	const acts = {
		pause: () => upload.pause(),
		urge: () => upload.urge(),
		resume: () => resume(upload),
		cancel: () => cancel(upload),
		choose: () => $("files").click(),
		dismiss: () => remove(upload),
		open: () => $("uploads").dispatchEvent(new CustomEvent("open", { detail: upload.recording })),
	}
	const row = uploadRow(upload, acts)
	function changed() {
		if (upload.state === "done") setTimeout(() => leave(upload), DONE_STAYS)
		if (upload.state === "done" && upload.original) offerToDrop(upload.recording, upload)
		if (upload.state !== "sending") return void (row.renew(), draw(), next())
		if (due) return
		due = true // a bar that moves ten times a second is smooth
		setTimeout(() => ((due = false), row.renew(), draw()), 100)
	}
	uploads.set(record.id, { upload, row })
	$("uploads").append(row.element)
	draw()
	next()
	return upload
}

function show(upload, shown) {
	uploads.get(upload.record.id).row.element.hidden = !shown
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

/** Cancels what isn't there yet; a recording that goes on is stopped where it was begun, a discarded one can be taken back. */
function cancelAll() {
	for (const { upload, row } of [...uploads.values()]) {
		if (upload.state !== "done" && !upload.growing && !row.element.hidden) cancel(upload)
	}
}

/** Those that are done go when somebody closes them or adds more: what is below would move under a finger. */
function dropDone() {
	for (const { upload } of [...uploads.values()]) if (upload.state === "done") remove(upload)
}

/** Makes room for the others where there are more than can be seen, so that nothing else moves. */
function leave(upload) {
	const height = uploads.get(upload.record.id)?.row.element.offsetHeight
	if ($("uploads").scrollHeight - height > $("uploads").clientHeight) remove(upload)
}

async function cancel(upload) {
	remove(upload)
	await upload.cancel()
}

function remove(upload) {
	const entry = uploads.get(upload.record.id)
	if (!entry) return
	if (entry.row.element.contains(document.activeElement)) $("files").focus()
	uploads.delete(upload.record.id)
	entry.row.element.remove()
	panel.leave(upload)
	draw()
	next()
}

function next() {
	const all = [...uploads.values()].map(({ upload }) => upload)
	let free = AT_ONCE - all.filter(({ state, record }) => record.kind === "file" && (state === "sending" || state === "stuck")).length
	for (const upload of all.filter(({ state }) => state === "waiting")) {
		if (upload.record.kind === "file" && free-- <= 0) continue
		upload.run()
	}
}

const isFile = (record, file) =>
	record.kind === "file" && record.name === file.name && record.size === file.size && record.lastModified === file.lastModified

const newId = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

function urgeAll() {
	for (const { upload } of uploads.values()) upload.urge()
}

onReturn(urgeAll)
addEventListener("online", urgeAll)
