// An upload of what is here already: that is said, and it needn't stay.
import { call, sentence } from "./api.js"
import { fullDate, nameOf, number } from "./format.js"
import { toast } from "./toast.js"

export async function offerToDrop(id, { original }) {
	const first = await call(`/api/audio/${original}`).catch(() => null)
	if (!first) return
	toast(`You have this already: “${nameOf(first)}”, from ${fullDate(first.upload_timestamp)}.`, {
		label: "Don't keep it twice",
		many: (count) => `You have ${number(count)} of these already.`,
		act: () => call(`/api/audio/${id}`, { method: "DELETE" }).catch((error) => toast(sentence(error))),
	})
}
