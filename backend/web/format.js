// Numbers and times as people read them.
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" })
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const count = new Intl.NumberFormat("en-GB")

export const number = (value) => count.format(value)

export function size(bytes) {
	const units = ["bytes", "kB", "MB", "GB", "TB"]
	let value = bytes
	let unit = 0
	while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
	const digits = unit === 0 || value >= 100 ? 0 : 1
	return `${value.toFixed(digits)} ${bytes === 1 ? "byte" : units[unit]}`
}

/** 3:05, or 1:02:03. */
export function clock(seconds) {
	const whole = Math.max(0, Math.floor(seconds || 0))
	const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
	const two = (value) => String(value).padStart(2, "0")
	return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** How long it still takes, no more exactly than it can be known. */
export function left(seconds) {
	if (!Number.isFinite(seconds)) return ""
	if (seconds < 1.5) return "a moment left"
	if (seconds < 60) return `${Math.ceil(seconds)}\u00a0s\u00a0left`
	if (seconds < 3600) return `${Math.ceil(seconds / 60)}\u00a0min\u00a0left`
	return `${(seconds / 3600).toFixed(1)}\u00a0h\u00a0left`
}

export function when(text) {
	if (!text) return "Date unknown"
	const time = new Date(text)
	const now = new Date()
	const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate())
	const days = (midnight - new Date(time.getFullYear(), time.getMonth(), time.getDate())) / 864e5
	if (Math.round(days) === 0) return `Today ${hour.format(time)}`
	if (Math.round(days) === 1) return `Yesterday ${hour.format(time)}`
	return time.getFullYear() === now.getFullYear() ? `${day.format(time)}, ${hour.format(time)}` : dayOfYear.format(time)
}

export const fullDate = (text) => `${dayOfYear.format(new Date(text))}, ${hour.format(new Date(text))}`
export const nameOf = (recording) => recording.title || recording.original_filename || recording.filename
