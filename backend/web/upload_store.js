// What outlives the tab: open uploads, and the pieces of recordings.
const OPENING = new Promise((resolve, reject) => {
	const request = indexedDB.open("pegasus", 1)
	request.onupgradeneeded = () => {
		request.result.createObjectStore("uploads", { keyPath: "id" })
		request.result.createObjectStore("pieces", { keyPath: ["id", "at"] })
	}
	request.onsuccess = () => resolve(request.result)
	request.onerror = () => reject(request.error)
})
OPENING.catch(() => {})

async function run(stores, mode, act) {
	const database = await OPENING
	return new Promise((resolve, reject) => {
		const transaction = database.transaction(stores, mode)
		const request = act(transaction)
		transaction.oncomplete = () => resolve(request?.result)
		transaction.onerror = transaction.onabort = () => reject(transaction.error)
	})
}

const piecesOf = (id) => IDBKeyRange.bound([id, 0], [id, Infinity])

export const saveUpload = (upload) => run("uploads", "readwrite", (all) => all.objectStore("uploads").put(upload))
export const loadUploads = () => run("uploads", "readonly", (all) => all.objectStore("uploads").getAll())
export const savePiece = (id, at, bytes) => run("pieces", "readwrite", (all) => all.objectStore("pieces").put({ id, at, bytes }))

export async function loadPieces(id) {
	const pieces = await run("pieces", "readonly", (all) => all.objectStore("pieces").getAll(piecesOf(id)))
	return pieces.map((piece) => piece.bytes)
}

export const deleteUpload = (id) =>
	run(["uploads", "pieces"], "readwrite", (all) => {
		all.objectStore("uploads").delete(id)
		all.objectStore("pieces").delete(piecesOf(id))
	})

/** Claims an upload for this tab; false where another has it. */
export function claim(id) {
	if (!navigator.locks) return Promise.resolve(true)
	return new Promise((resolve) => {
		navigator.locks.request(`pegasus upload ${id}`, { ifAvailable: true }, (lock) => {
			resolve(lock !== null)
			return lock && new Promise(() => {})
		})
	})
}
