// Access tokens: made, shown this once, listed and revoked.
import { call, sentence } from "./api.js"
import { card, table } from "./cards.js"
import { copy } from "./copying.js"
import { make } from "./dom.js"
import { fullDate } from "./format.js"
import { toast } from "./toast.js"

/** The card of tokens; on a server that asks for none it says how to begin. */
export async function tokensCard({ needs_token: needsToken }) {
	if (!needsToken) return card("Access", ...openServer())
	const { items } = await call("/api/tokens")
	const content = make("div", { class: "tokens" })
	show(content, items)
	return card("Access tokens", content)
}

function openServer() {
	const first = make("p", {}, "This server asks for no token: everybody who reaches it sees and changes all recordings.")
	const how = make("p", {}, "To let in only those who bring a token, make the first one on the server's machine, in the folder ", make("code", { text: "backend" }), ":")
	const command = make("pre", { tabIndex: 0, text: "python -m access create NAME --admin" })
	const then = make("p", {}, "From then on everybody needs a token, and with yours you make the others here. Where ", make("code", { text: "AUTH=open" }), " is set, change it to ", make("code", { text: "AUTH=tokens" }), ".")
	return [first, how, command, then]
}

function show(content, items) {
	const valid = items.filter(({ revoked_at: revoked }) => !revoked)
	const revoked = items.filter(({ revoked_at: at }) => at)
	const update = async () => show(content, (await call("/api/tokens")).items)
	const lists = [valid.length ? tokensTable(valid, update) : make("p", { class: "muted", text: "No token has been made here or on the command line. Those in the settings (AUTH_TOKENS) aren't listed." })]
	if (revoked.length) lists.push(make("details", {}, make("summary", { text: `Revoked (${revoked.length})` }), revokedTable(revoked)))
	content.replaceChildren(creation(update), ...lists)
}

const about = ({ user_id: user, admin }) => make("span", {}, make("b", { text: user }), admin ? make("span", { class: "chip", text: "Admin" }) : null)

function tokensTable(tokens, update) {
	const rows = tokens.map((token) => {
		const name = token.label ? `“${token.label}” of ${token.user_id}` : `the token of ${token.user_id}`
		const button = make("button", { class: "plain small", text: "Revoke", "aria-label": `Revoke ${name}`, onclick: () => confirmRevoking(token, { name, update }) })
		return [about(token), token.label ?? make("span", { class: "muted", text: "No note" }), fullDate(token.created_at), button]
	})
	return table("Tokens", ["User", "Note", "Created", ""], rows)
}

function revokedTable(tokens) {
	return table("Revoked tokens", ["User", "Note", "Revoked"], tokens.map((token) => [about(token), token.label ?? "", fullDate(token.revoked_at)]))
}

/** The form that makes a token, and then shows its secret. */
function creation(update) {
	const user = make("input", { required: true, autocomplete: "off", maxLength: 255, spellcheck: false })
	const label = make("input", { autocomplete: "off", maxLength: 100, placeholder: "Phone, backup script, …" })
	const admin = make("input", { type: "checkbox" })
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const save = make("button", { class: "main", text: "Create token" })
	const field = (text, input) => make("label", { class: "field" }, make("span", { text }), input)
	const rights = make("label", { class: "check" }, admin, " Admin: sees everybody's recordings, and these settings")
	const form = make("form", { class: "creation", "aria-label": "Create a token" }, field("User", user), field("Note", label), rights, save, problem)
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		save.disabled = true
		problem.hidden = true
		try {
			const token = await call("/api/tokens", { method: "POST", json: { user_id: user.value.trim(), admin: admin.checked, label: label.value.trim() || null } })
			form.replaceWith(secret(token, update))
		} catch (error) {
			problem.textContent = sentence(error)
			problem.hidden = false
		} finally {
			save.disabled = false
		}
	})
	return form
}

function secret({ secret: text, user_id: user }, update) {
	const title = make("h3", { tabIndex: -1, text: `The token of ${user} was created` })
	const field = make("input", { readOnly: true, value: text, "aria-label": "Token", onfocus: () => field.select() })
	const done = make("button", { class: "plain", text: "Done", onclick: () => update().catch((error) => toast(sentence(error))) })
	const acts = make("span", { class: "acts" }, make("button", { class: "main", text: "Copy", onclick: () => copy(text) }), done)
	const box = make("div", { class: "secret", role: "status" }, title, make("p", { text: "Copy it now: it isn't shown again." }), field, acts)
	queueMicrotask(() => title.focus())
	return box
}

function confirmRevoking({ id }, { name, update }) {
	const problem = make("p", { class: "problem", role: "alert", hidden: true })
	const cancel = make("button", { type: "button", class: "quiet", text: "Cancel", onclick: () => dialog.close() })
	const revoke = make("button", { class: "main danger", text: "Revoke" })
	const text = make("p", { text: "Whoever uses it is shut out at once, in this browser, too, if it is yours. It can't be undone." })
	const form = make("form", {}, make("h2", { id: "revoking-title", text: `Revoke ${name}?` }), text, problem, cancel, revoke)
	const dialog = make("dialog", { class: "help", "aria-labelledby": "revoking-title" }, form)
	dialog.addEventListener("close", () => dialog.remove())
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		revoke.disabled = true
		try {
			await call(`/api/tokens/${id}`, { method: "DELETE" })
			dialog.close()
			toast("The token was revoked.")
			await update().catch((error) => error.status === 401 || toast(sentence(error)))
		} catch (error) {
			problem.textContent = sentence(error)
			problem.hidden = false
			revoke.disabled = false
		}
	})
	document.body.append(dialog)
	dialog.showModal()
	cancel.focus()
}
