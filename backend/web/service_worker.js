// Lets the page open without a connection, and takes in what other apps share with it. The server puts in front:
// VERSION, which changes with any file, and FILES, all that the page consists of. Nothing else is ever kept.
/* global VERSION, FILES */
const PAGE = FILES[0]
const RECORDING = FILES[1]
const CACHE = `page ${VERSION}`
const inScope = (path) => new URL(path, registration.scope).href
const addresses = new Set(FILES.map(inScope))
let shared = []

addEventListener("install", (event) => {
	skipWaiting()
	event.waitUntil(keepAll())
})

addEventListener("activate", (event) => event.waitUntil(begin()))

addEventListener("fetch", (event) => {
	const { request } = event
	const url = request.url.split(/[?#]/)[0]
	if (request.method === "POST" && url === inScope("share")) return event.respondWith(takeIn(request))
	const name = nameOf(request, url)
	if (request.method === "GET" && name) event.respondWith(answer(event, name))
})

addEventListener("message", ({ data, source }) => {
	if (data === "shared?") source.postMessage({ shared: shared.splice(0) })
})

/** All files at once, so that those that are kept belong together. */
async function keepAll() {
	const cache = await caches.open(CACHE)
	await cache.addAll(FILES.map((name) => new Request(inScope(name), { cache: "no-cache" })))
}

async function begin() {
	for (const name of await caches.keys()) if (name.startsWith("page ") && name !== CACHE) await caches.delete(name)
	await registration.navigationPreload?.enable()
	await clients.claim()
}

/** Which of the files a request is for. */
function nameOf(request, url) {
	if (request.mode === "navigate") {
		if (url === inScope("") || url === inScope("settings")) return PAGE
		return url.startsWith(inScope("r/")) ? RECORDING : null
	}
	return addresses.has(url) ? url : null
}

/** The server's answer, so that an update shows at once; what is kept only where there is none. */
async function answer(event, name) {
	try {
		return (await event.preloadResponse) ?? (await fetch(event.request))
	} catch (error) {
		const answer = await caches.match(inScope(name), { cacheName: CACHE })
		if (answer) return answer
		throw error
	}
}

/** What is shared waits here until the page asks for it. */
async function takeIn(request) {
	const form = await request.formData()
	shared.push(...form.getAll("file").filter((file) => file.size))
	return Response.redirect(inScope("?shared"), 303)
}
