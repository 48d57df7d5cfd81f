// Requests to the API, and what goes wrong with them, in plain words.
import { size } from "./format.js"

const ROOT = new URL("..", import.meta.url)

/** The address of a path of the server, which may be served below a prefix. */
export const address = (path) => new URL(path.slice(1), ROOT).href

/** A refusal; `type` is the problem's short name in docs/errors.md. */
export class Refusal extends Error {
	constructor(status, problem = {}) {
		super(problem.detail || `The server answered ${status}.`)
		Object.assign(this, { status, problem, type: (problem.type || "").split(":").pop() })
	}
}

/** The server said nothing. */
export class Unreachable extends Error {
	constructor() {
		super("The server can't be reached.")
	}
}

export const watch = { lost: () => {}, answered: () => {}, refused: () => {} } // set by connection.js and session.js

/** Sends JSON, answers with JSON. Throws Refusal or Unreachable. */
export async function call(path, { json, ...options } = {}) {
	const body = json === undefined ? {} : { body: JSON.stringify(json), headers: { "Content-Type": "application/json" } }
	return (await request(path, { ...options, ...body })).json()
}

/** The answer, if it is a good one. Throws Refusal or Unreachable. */
export async function request(path, options) {
	let answer
	try {
		answer = await fetch(address(path), options)
	} catch (error) {
		if (error.name === "AbortError") throw error
		throw unreachable()
	}
	watch.answered()
	if (!answer.ok) throw refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"), path)
	return answer
}

export function unreachable() {
	watch.lost()
	return new Unreachable()
}

export function refusal(status, text, retryAfter, path) {
	let problem
	try {
		problem = JSON.parse(text)
	} catch {
		// a HEAD's refusal has no body
	}
	const refused = new Refusal(status, problem)
	refused.retryAfter = Number(retryAfter) || 0
	if (status === 401 && path !== "/api/session") watch.refused()
	return refused
}

const SENTENCES = {
	"upload-too-large": ({ limit, received }) => `This file is too large: ${size(received)}, and at most ${size(limit)} are taken.`,
	"upload-length-passed": () => "The file has changed while it was uploaded.",
	"not-audio": () => "This isn't a recording that can be read.",
	"quota-passed": () => "There is no room left for your recordings. Delete some, or ask whoever runs the server.",
	"storage-full": () => "The disk is full.",
	"token-missing": () => "Sign in to go on.",
	"token-invalid": () => "This token isn't valid.",
	"database-full": () => "The disk is full.",
	"database-unavailable": () => "The server can't reach its database.",
}

/** What to tell a person about an error. */
export function sentence(error) {
	return SENTENCES[error.type]?.(error.problem) ?? error.message
}
