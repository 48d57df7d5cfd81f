// All uploads together: one bar, how long they still take, folded or not, cancelled at once, and closed.
import { $, on, say } from "./dom.js"
import { left, number, size } from "./format.js"

const sum = (values) => values.reduce((total, value) => total + value, 0)

export class UploadsPanel {
	constructor({ cancelAll, close }) {
		this.folded = false
		this.clear()
		on("cancel-all", "click", cancelAll)
		on("uploads-close", "click", close)
		on("uploads-fold", "click", () => {
			this.folded = !this.folded
			$("uploads-fold").setAttribute("aria-expanded", String(!this.folded))
			$("uploads").hidden = this.folded
		})
	}

	clear() {
		this.count = 0
		this.bytes = 0
	}

	/** An upload that is done leaves the panel, but still counts until all are. */
	leave(upload) {
		if (upload.state !== "done") return
		this.count += 1
		this.bytes += upload.size
	}

	/** A recording that goes on has a row, but counts only once it is as long as it gets. */
	draw(uploads) {
		const ended = uploads.filter((upload) => !upload.growing)
		if (ended.length === 0) this.clear()
		if (uploads.length === 0 && $("sending").contains(document.activeElement)) $("files").focus()
		$("sending").hidden = uploads.length === 0
		const several = ended.length + this.count > 1
		$("uploads-all").hidden = !several
		$("uploads").hidden = several && this.folded
		if (several) this.drawAll(ended)
	}

	drawAll(uploads) {
		const done = uploads.filter(({ state }) => state === "done")
		const failed = uploads.filter(({ state }) => state === "failed")
		const open = uploads.filter(({ state }) => state !== "done" && state !== "failed")
		const sent = this.bytes + sum(done.map((upload) => upload.size)) + sum(open.map((upload) => upload.sent))
		const whole = sent + sum(open.map((upload) => Math.max(0, (upload.size ?? upload.sent) - upload.sent)))
		const speed = sum(open.map((upload) => upload.speed))
		const ready = `${number(this.count + done.length)} of ${number(uploads.length + this.count)} uploaded`
		const rest = open.length ? [`${size(sent)} of ${size(whole)}`, speed ? left((whole - sent) / speed) : ""] : []
		say("uploads-sum", [ready, ...rest, failed.length ? `${number(failed.length)} failed` : ""].filter(Boolean).join(" · "))
		$("uploads-bar").value = whole ? sent / whole : 0
		$("uploads-bar").hidden = whole === 0
		$("cancel-all").hidden = open.length === 0
		$("uploads-close").hidden = open.length > 0 || done.length === 0
	}
}
