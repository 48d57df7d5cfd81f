// The page's own address: which recording it shows. Back and Forward lead from one to the next.
import { address } from "./api.js"

const HOME = new URL(address("/")).pathname

export const linkTo = (id) => `${HOME}r/${id}`

/** The id of the recording that the address names, or null. */
export function shownId() {
	const path = location.pathname.slice(HOME.length)
	return path.startsWith("r/") ? path.slice(2) : null
}

/** Changes the address to a recording's, or to the list's; what is asked of the list stays in it. */
export function goTo(id, { instead = false } = {}) {
	if (id === shownId()) return
	const state = { fromList: id !== null && shownId() === null }
	history[instead ? "replaceState" : "pushState"](state, "", (id ? linkTo(id) : HOME) + location.search)
}

/** Back to the list, as the browser's own button leads there where that is where one came from. */
export function leaveRecording() {
	if (history.state?.fromList) history.back()
	else goTo(null)
}
