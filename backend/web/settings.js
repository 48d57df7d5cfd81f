// Settings, for whoever looks after the server: what it is, what it holds and heals, and who may use it.
import { address, call, sentence } from "./api.js"
import { card, table } from "./cards.js"
import { make } from "./dom.js"
import { fullDate, number, size } from "./format.js"
import { isSettings } from "./route.js"
import { tokensCard } from "./tokens.js"

const recordings = (count) => (count === 1 ? "1 recording" : `${number(count)} recordings`)
const code = (text) => make("code", { text })
const off = (setting) => make("span", {}, "Off. Turn it on by ", code(setting), ".")
let building = null

/** Shows settings in place of the list, and asks anew what there is to tell. */
export async function showSettings(session, { leave }) {
	const section = await (building ??= build(leave))
	section.hidden = !isSettings()
	section.querySelector("h1").focus({ preventScroll: true })
	const content = section.querySelector(".cards")
	try {
		content.replaceChildren(...(await cards(session)))
	} catch (error) {
		if (error.status === 401) return
		const again = make("button", { class: "plain", text: "Try again", onclick: () => showSettings(session, { leave }) })
		content.replaceChildren(make("div", { class: "card" }, make("p", { class: "problem", role: "alert", text: `Settings couldn't be loaded. ${sentence(error)}` }), again))
	}
}

async function build(leave) {
	const look = make("link", { rel: "stylesheet", href: address("/web/settings.css") })
	const loaded = new Promise((resolve) => ["load", "error"].forEach((event) => look.addEventListener(event, resolve, { once: true })))
	document.head.append(look)
	await loaded
	const back = make("a", { class: "back", href: address("/"), text: "All recordings" })
	back.addEventListener("click", (event) => {
		if (event.ctrlKey || event.metaKey || event.shiftKey) return
		event.preventDefault()
		leave()
	})
	const element = make("section", { id: "settings", "aria-labelledby": "settings-title" }, back, make("h1", { id: "settings-title", tabIndex: -1, text: "Settings" }), make("div", { class: "cards" }))
	document.querySelector("main").append(element)
	return element
}

async function cards(session) {
	const usage = await call("/api/usage")
	if (session.needs_token && !session.admin) return [usageCard(usage), card("Server", make("p", { class: "muted", text: "The server's own settings are for its admins." }))]
	const [server, tokens] = await Promise.all([call("/api/server"), tokensCard(session)])
	return [tokens, storageCard(server), enginesCard(server.engines), healsCard(server.heals), serverCard(server)]
}

const facts = (entries) => make("dl", {}, ...entries.flatMap(([term, text]) => [make("dt", { text: term }), make("dd", {}, text)]))

function limits({ size_bytes: bytes, recordings: count }) {
	const parts = [bytes && size(bytes), count && recordings(count)].filter(Boolean)
	return parts.length ? parts.join(" and ") : null
}

function usageCard({ size_bytes: bytes, recordings: count, quota }) {
	const most = limits(quota)
	return card("Your recordings", make("p", { text: `${recordings(count)}, ${size(bytes)}${most ? `. You may store ${most}.` : "."}` }))
}

function storageCard({ usage, quota, storage }) {
	const most = limits(quota)
	const limit = most ? `Each user may store ${most}.` : make("span", {}, "Users have no quota. Set one by ", code("USER_QUOTA_MB"), " or ", code("USER_QUOTA_RECORDINGS"), ".")
	const place = storage === "s3" ? "In an object store (S3)" : "In a folder of this machine"
	if (!usage) return card("Storage", make("p", { text: `${place}. There are too many recordings to count them now.` }), make("p", {}, limit))
	if (!usage.recordings) return card("Storage", make("p", { text: `${place}. Nothing is stored yet.` }), make("p", {}, limit))
	const users = usage.users === 1 ? "1 user" : `${number(usage.users)} users`
	const summary = make("p", { text: `${place}: ${recordings(usage.recordings)} of ${users}, ${size(usage.size_bytes)}.` })
	return card("Storage", summary, make("p", {}, limit), ...(usage.by_user.length ? [usersTable(usage, quota)] : []))
}

function usersTable({ by_user: users, users: count }, quota) {
	const rows = users.map(({ user_id: user, recordings: stored, size_bytes: bytes }) => {
		const share = quota.size_bytes ? make("progress", { max: quota.size_bytes, value: bytes, "aria-label": `Share of the quota of ${user ?? "recordings without a user"}` }) : null
		return [user ?? make("span", { class: "muted", text: "Without a user" }), number(stored), make("span", {}, size(bytes), share)]
	})
	const rest = count > users.length ? [make("p", { class: "muted", text: `The ${number(users.length)} users with the most are shown.` })] : []
	return make("div", {}, table("Recordings by user", ["User", "Recordings", "Size"], rows), ...rest)
}

function enginesCard({ processing, transcription, improvement, webhooks }) {
	const transcribes = transcription && [
		`${transcription.name}, model ${transcription.model}`,
		transcription.language ? `language ${transcription.language}` : "language recognised",
		transcription.speakers ? "speakers told apart" : "speakers not told apart",
	].join("; ")
	return card(
		"Engines",
		facts([
			["Processing", processing ? "By this server" : "Not by this server: by workers of their own"],
			["Transcription", transcribes ?? off("TRANSCRIPTION_ENGINE")],
			["Improved wording", improvement ?? off("OLLAMA_MODEL")],
			["Webhooks", webhooks ? (webhooks === 1 ? "1 address" : `${number(webhooks)} addresses`) : off("WEBHOOK_URLS")],
		]),
	)
}

function serverCard({ version, database: { kind, chains } }) {
	const state = ({ name, revision, head }) => [name === "audio_files" ? "Recordings' schema" : "System schema", revision === head ? `Up to date (${head})` : `At ${revision ?? "no revision"}; this server needs ${head}`]
	const links = make("p", {}, make("a", { href: address("/docs"), text: "API reference" }))
	return card("Server", facts([["Version", version], ["Database", kind === "embedded" ? "Pegasus's own PostgreSQL" : "PostgreSQL named by DATABASE_URL"], ...(chains ?? []).map(state)]), links)
}

function healsCard(heals) {
	if (!heals) return card("Database repairs", make("p", { class: "muted", text: "They can't be read just now." }))
	if (!heals.length) return card("Database repairs", make("p", { class: "muted", text: "The database has never needed repair." }))
	const entries = heals.map(({ at, sentence: text, report, outcome, chain_head: head }) => {
		const dot = make("span", { class: outcome === "healed" ? "dot well" : "dot ill", "aria-hidden": true })
		return make("details", {}, make("summary", {}, dot, make("span", {}, make("b", { text }), make("span", { class: "muted", text: ` ${fullDate(at)}, to ${head}` }))), make("pre", { tabIndex: 0, text: report }))
	})
	return card("Database repairs", ...entries)
}
