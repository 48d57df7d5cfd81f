// Recording from the microphone; what is heard is sent every second.
import { $, on, say } from "./dom.js"
import { clock, nameOfNow } from "./format.js"
import { drawLevel } from "./level.js"
import { toast } from "./toast.js"
import { addRecording } from "./uploads.js"
import { stayAwake } from "./wake_lock.js"

const PIECE_EVERY = 1000
const TYPES = { "audio/webm;codecs=opus": "webm", "audio/mp4": "m4a", "audio/ogg;codecs=opus": "ogg" }
const REFUSALS = {
	NotAllowedError: "The microphone isn't allowed. Allow it for this page in the browser's settings.",
	NotFoundError: "No microphone was found.",
	NotReadableError: "The microphone is in use elsewhere.",
}

let session = null

/** Begins to record. `labels` answers with what stands in the fields: those of the recording are what stands there at its end. */
export async function startRecording(labels) {
	if (session) return
	if (!navigator.mediaDevices || !window.MediaRecorder) {
		toast("Browsers record only on pages from https or from this machine.")
		return
	}
	try {
		const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
		session = begin(stream, labels)
		show(true)
	} catch (error) {
		toast(REFUSALS[error.name] ?? `The microphone can't be used: ${error.message}`)
	}
}

function begin(stream, labels) {
	const type = Object.keys(TYPES).find((name) => MediaRecorder.isTypeSupported(name))
	const media = new MediaRecorder(stream, type ? { mimeType: type } : {})
	const name = `Recording ${stamp(new Date())}.${TYPES[type] ?? "webm"}`
	const upload = addRecording({ name, title: nameOfNow(), type: media.mimeType.split(";")[0], ...labels() })
	const stopDrawing = drawLevel(stream, $("level"))
	stayAwake(true)
	const since = performance.now()
	const timer = setInterval(() => say("clock", clock((performance.now() - since) / 1000)), 250)
	media.ondataavailable = ({ data }) => upload.source.add(data)
	media.onstop = () => {
		stopDrawing()
		stayAwake(false)
		clearInterval(timer)
		for (const track of stream.getTracks()) track.stop()
		session = null
		show(false)
		upload.relabel(labels())
		upload.source.end()
	}
	stream.getTracks()[0].onended = () => media.state !== "inactive" && media.stop()
	media.start(PIECE_EVERY)
	return { media, upload }
}

function discard() {
	const { media, upload } = session
	upload.discard()
	media.stop()
	toast("The recording was discarded.", { label: "Undo", act: upload.takeBack, over: upload.cancel, many: (count) => `${count} recordings were discarded.` })
}

function show(recording) {
	const hadFocus = $("composer").contains(document.activeElement)
	$("ways").hidden = recording
	$("live").hidden = !recording
	say("hint", recording ? "Added to this recording." : "Added to new recordings.")
	say("clock", clock(0))
	if (hadFocus || document.activeElement === document.body) $(recording ? "stop" : "record").focus({ preventScroll: true })
}

on("stop", "click", () => session?.media.stop())
on("discard", "click", () => session && discard())
addEventListener("beforeunload", (event) => {
	if (!session) return
	session.media.requestData()
	event.preventDefault()
})

function stamp(time) {
	const local = new Date(time - time.getTimezoneOffset() * 60_000).toISOString()
	return local.slice(0, 19).replace("T", " ").replaceAll(":", ".")
}
