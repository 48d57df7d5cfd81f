// The page's own address: which recording it shows, or settings. Back and Forward lead from one to the next.
import { address } from "./api.js"

const HOME = new URL(address("/")).pathname

export const linkTo = (id) => `${HOME}r/${id}`

/** The id of the recording that the address names, or null. */
export function shownId() {
	const path = location.pathname.slice(HOME.length)
	return path.startsWith("r/") ? path.slice(2) : null
}

export const isSettings = () => location.pathname === `${HOME}settings`

/** Changes the address to that of the settings. */
export function goToSettings() {
	if (!isSettings()) history.pushState({ fromList: shownId() === null }, "", `${HOME}settings${location.search}`)
}

/** Changes the address to a recording's, or to the list's; what is asked of the list stays in it. */
export function goTo(id, { instead = false } = {}) {
	if (id === shownId() && !isSettings()) return
	const state = instead && id !== null ? history.state : { fromList: id !== null && shownId() === null }
	history[instead ? "replaceState" : "pushState"](state, "", (id ? linkTo(id) : HOME) + location.search)
}

/** Back to the list from a recording or settings, as the browser's own button leads there where that is where one came from. */
export function leave() {
	if (history.state?.fromList) history.back()
	else goTo(null)
}
