// Adds recordings: chosen, dropped or recorded, with the tag and category of the next ones. What uploads and records is loaded with the first.
import { offerApp } from "./app_install.js"
import { $, on } from "./dom.js"
import { use } from "./parts.js"
import { toast } from "./toast.js"
import { loadUploads } from "./upload_store.js"

const FIELDS = { tag: "new-tag", category: "new-category" }

export function offerComposer() {
	for (const [field, id] of Object.entries(FIELDS)) {
		$(id).value = localStorage.getItem(`new ${field}`) ?? ""
		on(id, "change", () => localStorage.setItem(`new ${field}`, $(id).value.trim()))
	}
	on("files", "change", ({ target }) => {
		addAll([...target.files])
		target.value = ""
	})
	on("record", "click", record)
	offerApp({ take: addAll })
	offerDropping()
}

/** Takes up what an earlier tab left. */
export async function takeUpUploads() {
	const records = await loadUploads().catch(() => [])
	if (records.length) await use("uploads", ({ takeUp }) => takeUp())
}

const labels = () => Object.fromEntries(Object.entries(FIELDS).map(([field, id]) => [field, $(id).value.trim()]))

function addAll(files) {
	if (files.length) use("uploads", ({ addFile }) => files.forEach((file) => addFile(file, labels())))
}

async function record() {
	$("record").disabled = true
	await use("recorder", ({ startRecording }) => startRecording(labels))
	$("record").disabled = false
}

function offerDropping() {
	const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files")
	const veil = (shown) => ($("drop-veil").hidden = !shown)
	addEventListener("dragover", (event) => {
		if (!brings(event)) return
		event.preventDefault()
		veil(true)
	})
	addEventListener("dragleave", (event) => event.relatedTarget || veil(false))
	addEventListener("drop", (event) => {
		if (!brings(event)) return
		event.preventDefault()
		veil(false)
		const files = [...event.dataTransfer.items].filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile())
		if (files.length < event.dataTransfer.items.length) toast("Folders are left out: drop the files in them.")
		addAll(files.filter(Boolean))
	})
}
