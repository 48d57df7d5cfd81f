// What plays, in the system's own controls: the lock screen, a headset's buttons, a keyboard's keys.
import { address } from "./api.js"
import { nameOf } from "./format.js"

const SKIP = 10
const session = navigator.mediaSession

/** `next` plays what comes after it. */
export function offerMediaKeys(sound, { next }) {
	if (!session) return
	const acts = {
		play: () => sound.playing || sound.toggle(),
		pause: () => sound.playing && sound.toggle(),
		stop: () => sound.drop(),
		nexttrack: next,
		seekbackward: ({ seekOffset }) => sound.seek(sound.position - (seekOffset || SKIP)),
		seekforward: ({ seekOffset }) => sound.seek(sound.position + (seekOffset || SKIP)),
		seekto: ({ seekTime }) => sound.seek(seekTime),
	}
	for (const [name, act] of Object.entries(acts)) {
		try {
			session.setActionHandler(name, (details) => sound.recording && act(details))
		} catch {
			// this browser has no such key
		}
	}
}

export function showMedia(sound) {
	if (!session) return
	const { recording } = sound
	session.playbackState = !recording ? "none" : sound.playing ? "playing" : "paused"
	session.metadata =
		recording &&
		new MediaMetadata({
			title: nameOf(recording),
			artist: recording.tag ?? "",
			album: recording.category ?? "Pegasus",
			artwork: [{ src: address("/web/icon.svg"), type: "image/svg+xml", sizes: "any" }],
		})
	const hasLength = recording && sound.duration > 0
	session.setPositionState?.(
		hasLength ? { duration: sound.duration, position: Math.min(sound.position, sound.duration), playbackRate: sound.speed } : undefined,
	)
}
