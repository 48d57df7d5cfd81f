// Numbers and times as people read them, in the browser's language.
const dates = (style) => new Intl.DateTimeFormat(undefined, style)
const decimals = (digits) => new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })
const day = dates({ day: "numeric", month: "short" })
const dayOfYear = dates({ day: "numeric", month: "short", year: "numeric" })
const weekday = dates({ weekday: "long" })
const hour = dates({ timeStyle: "short" })
const [whole, tenths] = [decimals(0), decimals(1)]

export const number = (value) => whole.format(value)

export function size(bytes) {
	const units = ["bytes", "kB", "MB", "GB", "TB"]
	let value = bytes
	let unit = 0
	while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
	const digits = unit === 0 || value >= 100 ? whole : tenths
	return `${digits.format(value)} ${bytes === 1 ? "byte" : units[unit]}`
}

/** 3:05, or 1:02:03. */
export function clock(seconds) {
	const all = Math.max(0, Math.floor(seconds || 0))
	const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60]
	const two = (value) => String(value).padStart(2, "0")
	return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** How long it still takes, no more exactly than it can be known. */
export function left(seconds) {
	if (!Number.isFinite(seconds)) return ""
	if (seconds < 1.5) return "a moment left"
	if (seconds < 60) return `${Math.ceil(seconds)}\u00a0s\u00a0left`
	if (seconds < 3600) return `${Math.ceil(seconds / 60)}\u00a0min\u00a0left`
	return `${tenths.format(seconds / 3600)}\u00a0h\u00a0left`
}

/** The day of a time, as near ones are called. */
export function dayOf(text) {
	if (!text) return "Date unknown"
	const time = new Date(text)
	const now = new Date()
	const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate())
	const ago = Math.round((midnight(now) - midnight(time)) / 864e5)
	if (ago === 0) return "Today"
	if (ago === 1) return "Yesterday"
	if (ago > 1 && ago < 7) return weekday.format(time)
	return (time.getFullYear() === now.getFullYear() ? day : dayOfYear).format(time)
}

export const timeOf = (text) => (text ? hour.format(new Date(text)) : "")
export const fullDate = (text) => `${dayOfYear.format(new Date(text))}, ${hour.format(new Date(text))}`
/** What a recording that begins now is called: the day and hour, as the list writes them. */
export const nameOfNow = (now = new Date()) => `${weekday.format(now)} ${hour.format(now)}`

/** A file's name; that of a recording that was made here without what only says how it is encoded. */
export function fileNameOf({ original_filename: original, filename }) {
	return (original || filename).replace(/^(Recording \d{4}-\d\d-\d\d [\d.]+)\.\w+$/, "$1")
}

export const nameOf = (recording) => recording.title || fileNameOf(recording)
