// The transcript: the heard word is marked, a chosen word is heard.
import { $, calm, make } from "./dom.js"
import { copy } from "./copying.js"

const FOLLOWS_AFTER = 4000 // milliseconds after somebody scrolled it
const PARAGRAPH_WORDS = 80
const LOOKS_AHEAD = 4
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u

export class TranscriptView {
	constructor({ seek }) {
		this.box = $("transcript")
		this.seek = seek
		this.scrolled = 0
		this.terms = []
		this.clear()
		for (const event of ["wheel", "touchmove"]) {
			this.box.addEventListener(event, () => (this.scrolled = performance.now()), { passive: true })
		}
		this.box.addEventListener("click", ({ target }) => this.choose(target))
		this.box.addEventListener("keydown", (event) => this.key(event))
		$("copy").addEventListener("click", () => copy(this.text))
		const [heard, improved] = $("wording").children
		heard.addEventListener("click", () => this.word(false))
		improved.addEventListener("click", () => this.word(true))
	}

	clear(text = "") {
		this.words = []
		this.elements = []
		this.now = -1
		this.document = null
		$("wording").hidden = $("copy").hidden = true
		this.box.replaceChildren(...(text ? [make("p", { class: "muted", text })] : []))
		this.box.scrollTop = 0
	}

	/** Shows a transcript, and the improved wording where there is one. */
	show(document, improved) {
		this.clear()
		this.document = document
		this.improved = improved
		$("wording").hidden = !improved
		$("copy").hidden = false
		this.word(false)
	}

	/** The text as it is shown. */
	get text() {
		return this.isImproved ? this.improved : this.document.text.trim()
	}

	/** Marks the words that a search looks for. Answers with when the first of them is said, or null. */
	mark(query) {
		const before = this.terms
		this.terms = termsOf(query)
		if (!this.document || this.terms.length + before.length === 0) return null
		this.word(false)
		if (this.terms.length && !this.box.querySelector("mark") && this.improved) this.word(true)
		const first = this.box.querySelector("mark")
		if (!first) return null
		this.reveal(first)
		return this.words[first.closest(".word")?.dataset.at]?.start_seconds ?? null
	}

	/** A word, as what it is shown by. */
	marked(text) {
		return matches(text, this.terms) ? make("mark", { text }) : text
	}

	word(improved) {
		this.isImproved = improved
		$("wording").children[0].setAttribute("aria-pressed", String(!improved))
		$("wording").children[1].setAttribute("aria-pressed", String(improved))
		const { words, text } = this.document
		const timed = !improved && words.length > 0
		this.words = timed ? words : []
		this.now = -1
		if (timed) this.box.replaceChildren(...this.paragraphs(words, text))
		else this.box.replaceChildren(...this.text.split(/\n+/).map((line) => this.plain(line)))
		this.elements = [...this.box.querySelectorAll(".word")]
		if (this.elements[0]) this.elements[0].tabIndex = 0
	}

	plain(line) {
		return make("p", {}, ...line.split(/(\s+)/).map((word) => this.marked(word)))
	}

	/** Words in paragraphs, which end where a sentence does. */
	paragraphs(words, text) {
		const written = spelling(words, text)
		const gap = /\s/.test(text.trim()) ? " " : ""
		const found = []
		let paragraph = make("p")
		let held = 0
		written.forEach((word, at) => {
			paragraph.append(make("span", { class: "word", role: "button", tabIndex: -1, "data-at": at }, this.marked(word)), gap)
			held += 1
			if (held < PARAGRAPH_WORDS && !(held > PARAGRAPH_WORDS / 2 && /[.!?…。！？]["'”’)]*$/.test(word))) return
			found.push(paragraph)
			paragraph = make("p")
			held = 0
		})
		return held ? [...found, paragraph] : found
	}

	/** Marks the word that is heard at a time. */
	at(seconds) {
		let [low, high] = [0, this.words.length]
		while (low < high) {
			const middle = (low + high) >> 1
			if (this.words[middle].start_seconds <= seconds) low = middle + 1
			else high = middle
		}
		const heard = low - 1
		if (heard === this.now) return
		this.elements[this.now]?.classList.remove("spoken")
		this.now = heard
		const word = this.elements[heard]
		if (!word) return
		word.classList.add("spoken")
		if (!this.box.contains(document.activeElement)) this.stop(heard)
		if (performance.now() - this.scrolled > FOLLOWS_AFTER) this.reveal(word)
	}

	/** Keeps the word in sight without moving the page. */
	reveal(word) {
		const [inside, outside] = [word.getBoundingClientRect(), this.box.getBoundingClientRect()]
		if (inside.top > outside.top + 8 && inside.bottom < outside.bottom - 32) return
		const top = this.box.scrollTop + inside.top - outside.top - outside.height / 3
		this.box.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" })
	}

	/** Makes a word the one that Tab comes to. */
	stop(at) {
		this.box.querySelector('.word[tabindex="0"]')?.setAttribute("tabindex", "-1")
		this.elements[at].tabIndex = 0
	}

	choose(target) {
		const at = Number(target.closest(".word")?.dataset.at)
		if (!this.words[at]) return
		this.stop(at)
		this.scrolled = 0
		this.seek(this.words[at].start_seconds)
	}

	key(event) {
		const at = Number(event.target.dataset?.at)
		if (!this.words[at]) return
		const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.words.length - 1 }[event.key]
		if (event.key === "Enter" || event.key === " ") this.choose(event.target)
		else if (to === undefined || !this.words[to]) return
		else {
			this.stop(to)
			this.elements[to].focus()
		}
		event.preventDefault()
	}
}

/** Each word as the text writes it, where the two agree. */
function spelling(words, text) {
	const tokens = text.split(/\s+/)
	let at = 0
	return words.map((word) => {
		const heard = word.text.trim()
		const found = tokens.slice(at, at + LOOKS_AHEAD).findIndex((token) => bare(token) === bare(heard))
		if (found < 0) return heard
		at += found + 1
		return tokens[at - 1]
	})
}

/** A search's words as they are compared: without case and accents, as the server does. */
const termsOf = (text) => fold(text).match(/[\p{L}\p{N}]+/gu) ?? []

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()

/** Whether a part of the text begins with a term; in scripts without spaces it may begin anywhere. */
function matches(text, terms) {
	if (!terms.length) return false
	const parts = termsOf(text)
	return terms.some((term) => parts.some((part) => (UNSPACED.test(term) ? part.includes(term) : part.startsWith(term))))
}

const bare = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")
