// Deleting with a way back: hidden at once, deleted a little later.
import { call, Refusal, sentence } from "./api.js"
import { nameOf, number } from "./format.js"
import { toast } from "./toast.js"

const AT_ONCE = 1000
const due = new Map()

/** How many recordings are hidden, and deleted a little later. */
export const pendingRemovals = () => due.size
export const isBeingRemoved = (id) => due.has(id)

export function removeWithUndo(recordings, { back }) {
	const ids = recordings.map(({ id }) => id).filter((id) => !due.has(id))
	if (ids.length === 0) return
	const settle = () => ids.forEach((id) => due.delete(id))
	const finish = toast(`Deleted “${nameOf(recordings[0])}”.`, {
		label: "Undo",
		many: (count) => `Deleted ${number(count)} recordings.`,
		count: ids.length,
		act() {
			settle()
			back()
		},
		async over() {
			try {
				await send(ids)
			} catch (error) {
				if (error instanceof Refusal && error.status === 404) return
				toast(`${ids.length === 1 ? `“${nameOf(recordings[0])}” wasn't` : "Not all were"} deleted. ${sentence(error)}`)
				back()
			} finally {
				settle()
			}
		},
	})
	for (const id of ids) due.set(id, finish)
}

async function send(ids) {
	const keepalive = true // the request outlives the page
	if (ids.length === 1) return call(`/api/audio/${ids[0]}`, { method: "DELETE", keepalive })
	for (let at = 0; at < ids.length; at += AT_ONCE) {
		const json = { action: "delete", ids: ids.slice(at, at + AT_ONCE) }
		const { refused } = await call("/api/audio/bulk", { method: "POST", json, keepalive })
		if (refused.length) throw new Refusal(refused[0].problem.status, refused[0].problem)
	}
}

addEventListener("beforeunload", (event) => {
	if (due.size > AT_ONCE) event.preventDefault() // a page that is left sends one more request
})
addEventListener("pagehide", () => {
	for (const finish of due.values()) finish()
})
