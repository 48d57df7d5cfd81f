// The corner that tells how the server is, and what was last healed.
import { call, Refusal, sentence } from "./api.js"
import { $, make, say } from "./dom.js"
import { fullDate } from "./format.js"

const ASK_EVERY = 60_000

const STATES = { well: ["Ready", "well"], "not well": ["Not available", "ill"] }

const capital = (word) => word[0].toUpperCase() + word.slice(1)

export async function showHealth() {
	let answer
	try {
		answer = await call("/health")
	} catch (error) {
		if (!(error instanceof Refusal) || !error.problem.parts) return show("Problem", false, {}, sentence(error))
		answer = error.problem
	}
	const well = answer.status === "ready"
	const heal = answer.last_heal
	const sentenceOfHeal = heal ? `Last repair of the database: ${fullDate(heal.at)}. ${heal.sentence}` : "The database has never needed repair."
	show(well ? "Ready" : "Problem", well, answer.parts, sentenceOfHeal)
}

function show(word, well, parts, more) {
	say("health-word", word)
	$("health").querySelector(".dot").className = well ? "dot well" : "dot ill"
	say("health-heal", more)
	$("health-parts").replaceChildren(
		...Object.entries(parts).flatMap(([part, state]) => [
			make("dt", { text: capital(part) }),
			make("dd", {}, make("span", { class: `dot ${STATES[state]?.[1] ?? ""}` }), STATES[state]?.[0] ?? capital(state)),
		]),
	)
}

const corner = $("health")
corner.addEventListener("toggle", () => corner.open && showHealth())
corner.addEventListener("keydown", (event) => {
	if (event.key !== "Escape" || !corner.open) return
	corner.open = false
	corner.querySelector("summary").focus()
})
document.addEventListener("pointerdown", (event) => {
	if (!corner.contains(event.target)) corner.open = false
})
setInterval(() => document.hidden || showHealth(), ASK_EVERY)
