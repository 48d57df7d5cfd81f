// Parts of the page that are loaded when they are first used.
import { toast } from "./toast.js"

/** Calls `act` with a part's module, and answers as it does. Where it can't be loaded a message says so, and offers to try again. */
export async function use(part, act) {
	let module
	try {
		module = await import(`./${part}.js`)
	} catch (error) {
		// It came, but doesn't fit the modules that are loaded: the server has a newer page than this one.
		if (error instanceof SyntaxError) toast("Pegasus has been updated. Reload the page to go on.", { label: "Reload", act: () => location.reload() })
		else toast("This couldn't be loaded. Check the connection and try again, or reload the page.", { label: "Try again", act: () => use(part, act) })
		return undefined
	}
	return act(module)
}
