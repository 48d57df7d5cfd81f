// How far somebody has listened to each recording; only this browser knows.
const KEY = "positions"
const MOST = 200
const NEAR_AN_END = 3 // seconds

const read = () => new Map(JSON.parse(localStorage.getItem(KEY) ?? "[]"))

export const positionOf = (id) => read().get(id) ?? 0

/** Remembers a position; one at the beginning or the end is as good as none. */
export function rememberPosition(id, seconds, duration) {
	const positions = read()
	positions.delete(id)
	if (seconds > NEAR_AN_END && seconds < duration - NEAR_AN_END) positions.set(id, Math.round(seconds * 10) / 10)
	localStorage.setItem(KEY, JSON.stringify([...positions].slice(-MOST)))
}

export const forgetPositions = () => localStorage.removeItem(KEY)
