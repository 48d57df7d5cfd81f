// The transcript: the heard word is marked, a chosen word is heard, a chosen speaker is named.
import { copy } from "./copying.js"
import { $, calm, make, on } from "./dom.js"
import { use } from "./parts.js"
import { matches, termsOf, wordsOf } from "./search_terms.js"
import { nameSpeaker } from "./speaker_naming.js"
import { gapOf, paragraphsOf, plainText, speakerName, speakersOf, unitsOf } from "./spoken_text.js"

const FOLLOWS_AFTER = 4000 // milliseconds after somebody scrolled it
const COLOURS = 5

export class TranscriptView {
	constructor({ seek }) {
		this.box = $("transcript")
		this.seek = seek
		this.scrolled = 0
		this.terms = []
		this.editing = null
		this.clear()
		for (const event of ["wheel", "touchmove"]) {
			this.box.addEventListener(event, () => (this.scrolled = performance.now()), { passive: true })
		}
		this.box.addEventListener("click", ({ target }) => this.choose(target))
		this.box.addEventListener("keydown", (event) => this.key(event))
		on("copy", "click", () => copy(this.text))
		on("edit", "click", () => this.edit())
		const [heard, improved] = $("wording").children
		heard.addEventListener("click", () => this.word(false))
		improved.addEventListener("click", () => this.word(true))
	}

	/** Shows no transcript, but why. */
	clear(...children) {
		this.editing?.leave()
		this.units = []
		this.elements = []
		this.now = -1
		this.document = null
		this.isImproved = false
		$("wording").hidden = $("copy").hidden = $("edit").hidden = true
		this.box.replaceChildren(...(children.length ? [make("p", { class: "muted" }, ...children)] : []))
		this.box.scrollTop = 0
	}

	/** Shows a recording's transcript, and the improved wording where there is one; `isImproved`: that first. */
	show(document, improved, { id, isImproved = false }) {
		this.clear()
		if (!document.text.trim() && !improved) return this.clear("Nothing was said in this recording.")
		this.id = id
		this.document = document
		this.improved = improved
		$("copy").hidden = $("edit").hidden = false
		this.word(Boolean(improved) && isImproved)
	}

	/** Shows another improved wording, or none. */
	reword(improved) {
		this.improved = improved
		this.word(Boolean(improved))
	}

	/** Shows other names of the speakers. */
	rename(speakers) {
		this.document.speakers = speakers
		const { scrollTop } = this.box
		this.word(this.isImproved)
		this.box.scrollTop = scrollTop
	}

	/** The text as it is shown. */
	get text() {
		return this.isImproved ? this.improved : plainText(this.document)
	}

	/** Marks the words that a search looks for. Answers with when the first of them is said, or null. */
	mark(query) {
		const before = this.terms
		this.terms = termsOf(wordsOf(query))
		if (!this.document || this.terms.length + before.length === 0) return null
		this.word(false)
		if (this.terms.length && !this.box.querySelector("mark") && this.improved) this.word(true)
		const first = this.box.querySelector("mark")
		if (!first) return null
		this.reveal(first)
		return this.units[first.closest(".word")?.dataset.at]?.start_seconds ?? null
	}

	/** A text with what a search looks for marked. */
	marked(text) {
		return text.split(/(\s+)/).map((word) => (matches(word, this.terms) ? make("mark", { text: word }) : word))
	}

	/** Shows the improved wording, or what was heard. */
	word(improved) {
		this.isImproved = improved
		$("wording").hidden = !this.improved
		$("wording").children[0].setAttribute("aria-pressed", String(!improved))
		$("wording").children[1].setAttribute("aria-pressed", String(improved))
		this.units = improved ? [] : unitsOf(this.document)
		this.now = -1
		if (this.units.length) this.box.replaceChildren(...this.paragraphs())
		else this.box.replaceChildren(...this.text.split(/\n+/).map((line) => make("p", {}, ...this.marked(line))))
		this.elements = [...this.box.querySelectorAll(".word")]
		if (this.elements[0]) this.elements[0].tabIndex = 0
	}

	paragraphs() {
		const speakers = speakersOf(this.document)
		const gap = gapOf(this.document.text)
		return paragraphsOf(this.units).map(({ speaker, turn, from, to }) => {
			const paragraph = make("p")
			if (speakers.length) paragraph.className = speaker === null ? "turn" : `turn by-${speakers.indexOf(speaker) % COLOURS}`
			if (speakers.length && turn) paragraph.append(this.speaker(speaker), " ")
			for (let at = from; at < to; at++) {
				paragraph.append(make("span", { class: "word", role: "button", tabIndex: -1, "data-at": at }, ...this.marked(this.units[at].text)), gap)
			}
			return paragraph
		})
	}

	/** Who speaks: a button that names them, where the engine was sure that it is somebody. */
	speaker(speaker) {
		if (speaker === null) return make("span", { class: "speaker muted", text: "Speaker unknown" })
		const name = speakerName(this.document, speaker)
		const button = make("button", { class: "speaker", text: name, title: `Name ${name}`, "data-speaker": speaker })
		button.addEventListener("click", () => nameSpeaker(this, speaker, button))
		return button
	}

	async edit() {
		await use("transcript_editing", ({ TranscriptEditing }) => {
			if (this.document) this.editing ??= new TranscriptEditing(this)
		})
	}

	/** Marks the word that is heard at a time. */
	at(seconds) {
		let [low, high] = [0, this.units.length]
		while (low < high) {
			const middle = (low + high) >> 1
			if (this.units[middle].start_seconds <= seconds) low = middle + 1
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
		if (!this.units[at]) return
		this.stop(at)
		this.scrolled = 0
		this.seek(this.units[at].start_seconds)
	}

	key(event) {
		const at = Number(event.target.dataset?.at)
		if (!this.units[at]) return
		const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.units.length - 1 }[event.key]
		if (event.key === "Enter" || event.key === " ") this.choose(event.target)
		else if (to === undefined || !this.units[to]) return
		else {
			this.stop(to)
			this.elements[to].focus()
		}
		event.preventDefault()
	}
}
