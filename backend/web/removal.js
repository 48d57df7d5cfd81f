// Deleting with a way back: hidden at once, deleted a little later.
import { call, Refusal, sentence } from "./api.js"
import { nameOf, number } from "./format.js"
import { toast } from "./toast.js"

const due = new Map()

export const isBeingRemoved = (id) => due.has(id)

export function removeWithUndo(recording, { back }) {
	const { id } = recording
	if (due.has(id)) return
	const finish = toast(`Deleted “${nameOf(recording)}”.`, {
		label: "Undo",
		many: (count) => `Deleted ${number(count)} recordings.`,
		act() {
			due.delete(id)
			back()
		},
		async over() {
			try {
				await send(id)
			} catch (error) {
				if (error instanceof Refusal && error.status === 404) return
				toast(`“${nameOf(recording)}” wasn't deleted. ${sentence(error)}`)
				back()
			} finally {
				due.delete(id)
			}
		},
	})
	due.set(id, finish)
}

const send = (id) => call(`/api/audio/${id}`, { method: "DELETE", keepalive: true })

addEventListener("pagehide", () => {
	for (const finish of due.values()) finish() // the requests outlive the page
})
