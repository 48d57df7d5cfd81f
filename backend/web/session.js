// Signing in. The token lives in a cookie that no script can read.
import { call, sentence, watch } from "./api.js"
import { $, on, say } from "./dom.js"
import { forgetPositions } from "./positions.js"

let begin = () => {}

export let session = null // who is asking, once that is known

/** Calls `start` whenever somebody may come in. */
export async function enter(start) {
	begin = start
	const current = await call("/api/session")
	if (current.needs_token && !current.signed_in) askForToken()
	else admit(current)
}

function admit(current) {
	session = current
	$("settings-open").hidden = session.needs_token && !session.admin
	say("who", session.user_id ?? "")
	$("who").hidden = !session.user_id || session.user_id === "*"
	$("sign-out").hidden = !session.signed_in
	begin()
}

function askForToken() {
	if ($("sign-in").open) return
	$("token").value = ""
	say("token-problem", "")
	$("sign-in").showModal()
}

watch.refused = askForToken

on("sign-in", "cancel", (event) => event.preventDefault())
$("sign-in").querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault()
	const button = event.target.querySelector("button")
	button.disabled = true
	say("token-problem", "")
	try {
		const current = await call("/api/session", { method: "POST", json: { token: $("token").value } })
		$("token").value = ""
		$("sign-in").close()
		admit(current)
	} catch (error) {
		say("token-problem", sentence(error))
		$("token").select()
	} finally {
		button.disabled = false
	}
})

on("sign-out", "click", async () => {
	await call("/api/session", { method: "DELETE" }).catch(() => {})
	forgetPositions()
	location.reload() // so that nothing of what was seen stays
})
