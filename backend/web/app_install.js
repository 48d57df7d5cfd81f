// What makes an app of the page: a service worker, and the files that other apps share with it.
import { address } from "./api.js"

/** `take` is called with the files that were shared. */
export async function offerApp({ take }) {
	const workers = navigator.serviceWorker
	if (!workers) return // it isn't from https
	workers.addEventListener("message", ({ data }) => data.shared?.length && take(data.shared))
	const asked = new URLSearchParams(location.search)
	if (asked.has("shared")) {
		workers.controller?.postMessage("shared?")
		history.replaceState(history.state, "", location.pathname)
	}
	if (document.readyState !== "complete") await new Promise((loaded) => addEventListener("load", loaded, { once: true }))
	await workers.register(trusted(address("/service_worker.js"))).catch(() => {})
}

/** The one address that this page makes a program of. */
function trusted(url) {
	const policy = globalThis.trustedTypes?.createPolicy("service-worker", { createScriptURL: () => url })
	return policy ? policy.createScriptURL("") : url
}
