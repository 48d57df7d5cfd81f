// Recordings that play after the one that is heard, in the order in which they were put there; until the tab is closed.
export class Queue {
	constructor({ changed }) {
		this.recordings = []
		this.changed = changed
	}

	has(id) {
		return this.recordings.some((recording) => recording.id === id)
	}

	/** Puts a recording at the end, or takes it out. */
	toggle(recording) {
		if (this.has(recording.id)) return this.drop(recording.id)
		this.recordings.push(recording)
		this.changed()
	}

	drop(id) {
		this.recordings = this.recordings.filter((recording) => recording.id !== id)
		this.changed()
	}

	/** The first, which is then out of the queue; null where there is none. */
	take() {
		const recording = this.recordings.shift() ?? null
		if (recording) this.changed()
		return recording
	}
}
