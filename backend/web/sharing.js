// Gives a recording to another app, as a file.
import { request, sentence } from "./api.js"
import { toast } from "./toast.js"
import { fileNameOf } from "./format.js"

export const canShare = () => Boolean(navigator.canShare?.({ files: [new File(["-"], "memo.wav", { type: "audio/wav" })] }))

export async function share(recording) {
	try {
		const answer = await request(`/api/audio/${recording.id}/download`)
		const bytes = await answer.blob()
		const name = recording.original_filename || recording.filename
		await offer({ files: [new File([bytes], name, { type: bytes.type })], title: recording.title ?? fileNameOf(recording) })
	} catch (error) {
		toast(sentence(error))
	}
}

async function offer(data) {
	if (!navigator.canShare(data)) return toast("This kind of file can't be shared here. You can download it.")
	try {
		await navigator.share(data)
	} catch (error) {
		// The browser wants a tap that isn't long ago, and the download may have been.
		if (error.name === "NotAllowedError") toast("The recording is ready.", { label: "Share", act: () => offer(data) })
		else if (error.name !== "AbortError") throw error
	}
}
