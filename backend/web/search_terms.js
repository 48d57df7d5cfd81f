// A search's words, compared as the server does: without case and accents.
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u
const SPEAKER = /(?<!\S)speaker:(?:["“„][^"“”]*["“”]|\S+)/giu

export const termsOf = (text) => fold(text).match(/[\p{L}\p{N}]+/gu) ?? []

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()

/** A query's words, without the speakers that it names. */
export const wordsOf = (query) => query.replace(SPEAKER, " ")

/** Whether a part of the text begins with a term; in scripts without spaces it may begin anywhere. */
export function matches(text, terms) {
	if (!terms.length) return false
	const parts = termsOf(text)
	return terms.some((term) => parts.some((part) => (UNSPACED.test(term) ? part.includes(term) : part.startsWith(term))))
}
