// Keeps the screen on while something is recorded: a phone that sleeps stops listening.
let active = false
let lock = null

export function stayAwake(awake) {
	active = awake
	if (awake) ask()
	else lock?.release()
}

async function ask() {
	if (!active || document.hidden) return
	lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null
	if (!active) lock?.release()
}

document.addEventListener("visibilitychange", ask) // the system takes it back whenever the page is hidden
