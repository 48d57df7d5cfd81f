// Where an upload's bytes come from: a chosen file, or a recording in progress.
import { loadPieces, savePiece } from "./upload_store.js"

export const fileSource = (file) => ({ size: file.size, ended: true, slice: (start, stop) => file.slice(start, stop) })

/** Pieces are kept until the server has all: a closed tab or a lost upload loses none. */
export class RecordingSource {
	constructor(id) {
		this.id = id
		this.pieces = []
		this.size = 0
		this.ended = false
		this.waiting = []
		this.writing = Promise.resolve()
	}

	static async restored(id) {
		const source = new RecordingSource(id)
		source.pieces = await loadPieces(id)
		source.size = source.pieces.reduce((sum, piece) => sum + piece.size, 0)
		source.ended = true
		return source
	}

	add(bytes) {
		if (!bytes.size) return
		const at = this.pieces.length
		this.pieces.push(bytes)
		this.size += bytes.size
		this.writing = this.writing.then(() => savePiece(this.id, at, bytes)).catch(() => {}) // no room: it is sent all the same
		this.wake()
	}

	end() {
		this.ended = true
		this.wake()
	}

	slice(start, stop) {
		return new Blob(this.pieces).slice(start, stop)
	}

	/** Returns once there is more, or no more will come. */
	more() {
		return new Promise((resolve) => this.waiting.push(resolve))
	}

	wake() {
		for (const resolve of this.waiting.splice(0)) resolve()
	}
}
