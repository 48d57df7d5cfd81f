// A small player at the page's foot, for what is heard while something else is looked at.
import { $, on, say, showPlaying } from "./dom.js"
import { clock, nameOf } from "./format.js"

export class MiniPlayer {
	constructor(sound, { open }) {
		this.sound = sound
		on("mini-play", "click", () => sound.toggle())
		on("mini-open", "click", () => open(sound.recording))
		on("mini-close", "click", () => sound.drop())
	}

	/** `elsewhere`: what is heard isn't what is shown; `upNext`: what comes after it. */
	show(elsewhere, { upNext }) {
		const { recording, begun } = this.sound
		$("mini").hidden = !(recording && begun && elsewhere)
		if ($("mini").hidden) return
		say("mini-open", nameOf(recording))
		$("mini-next").hidden = !upNext
		say("mini-next", upNext)
		showPlaying($("mini-play"), this.sound.playing)
		this.draw()
	}

	draw() {
		if ($("mini").hidden) return
		const { position, duration } = this.sound
		$("mini-bar").value = duration ? position / duration : 0
		say("mini-time", `${clock(position)} / ${clock(duration)}`)
	}
}
