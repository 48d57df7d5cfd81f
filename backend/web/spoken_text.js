// A transcript's document as paragraphs of what was said, each by one speaker where speakers are told apart.
const PARAGRAPH_WORDS = 80
const LOOKS_AHEAD = 4

/** What is heard one after the other, with its times: words, or segments where words have none. */
export function unitsOf({ words, segments, text }) {
	const bySpeaker = speakerAt(segments)
	if (words.length) {
		const written = spelling(words, text)
		return words.map((word, at) => ({ text: written[at], start_seconds: word.start_seconds, speaker: bySpeaker(word.start_seconds), words: 1 }))
	}
	const inOrder = segments.toSorted((one, other) => one.start_seconds - other.start_seconds)
	return inOrder.map(({ text: spoken, start_seconds, speaker }) => ({ text: spoken.trim(), start_seconds, speaker: speaker ?? null, words: spoken.trim().split(/\s+/).length }))
}

/** Units in paragraphs, which end where the speaker changes, or after many words where a sentence does; `turn`: somebody begins to speak. */
export function paragraphsOf(units) {
	const paragraphs = []
	let paragraph = null
	let count = 0
	let isFull = true
	for (const [at, unit] of units.entries()) {
		const turn = unit.speaker !== units[at - 1]?.speaker
		if (turn || isFull) {
			paragraph = { speaker: unit.speaker, turn, from: at, to: at }
			paragraphs.push(paragraph)
			count = 0
		}
		paragraph.to = at + 1
		count += unit.words
		isFull = count >= PARAGRAPH_WORDS || (count > PARAGRAPH_WORDS / 2 && /[.!?…。！？]["'”’)]*$/.test(unit.text))
	}
	return paragraphs
}

/** Those who speak, as the document calls them, in the order in which they begin. */
export const speakersOf = ({ segments }) => [...new Set(segments.map(({ speaker }) => speaker).filter((speaker) => speaker !== null && speaker !== undefined))]

export const speakerName = ({ speakers }, speaker) => speakers?.[speaker] ?? `Speaker ${speaker}`

/** The document as plain text; with speakers as its TXT file has them. */
export function plainText(document) {
	if (!speakersOf(document).length) return document.text.trim()
	const gap = gapOf(document.text)
	const units = unitsOf(document)
	const turns = paragraphsOf(units).reduce((lines, { speaker, turn, from, to }) => {
		const text = units.slice(from, to).map((unit) => unit.text).join(gap)
		if (!turn) return [...lines.slice(0, -1), `${lines.at(-1)}${gap}${text}`]
		return [...lines, speaker === null ? text : `${speakerName(document, speaker)}: ${text}`]
	}, [])
	return turns.join("\n\n")
}

/** What stands between words: nothing, in scripts without spaces. */
export const gapOf = (text) => (/\s/.test(text.trim()) ? " " : "")

/** Who speaks at a time; a time between two segments is that of the first. */
function speakerAt(segments) {
	const inOrder = segments.toSorted((one, other) => one.start_seconds - other.start_seconds)
	let at = 0
	return (seconds) => {
		while (inOrder[at + 1]?.start_seconds <= seconds + 0.001) at += 1
		return inOrder[at]?.speaker ?? null
	}
}

/** Each word as the text writes it, where the two agree. */
function spelling(words, text) {
	const tokens = text.split(/\s+/)
	let at = 0
	return words.map((word) => {
		const heard = word.text.trim()
		const ahead = tokens.slice(at, at + LOOKS_AHEAD).findIndex((token) => bare(token) === bare(heard))
		if (ahead < 0) return heard
		at += ahead + 1
		return tokens[at - 1]
	})
}

const bare = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")
