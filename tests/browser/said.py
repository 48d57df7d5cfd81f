"""What the speech service of these tests hears: words with their times, two a second."""

TEXT = (
    "Good morning, everyone. Let's begin with where we are. The first version is done, and it has been running since"
    " Monday. After that Maria will show us the new player."
)
WORDS = [
    {"word": word.strip(".,"), "start": round(0.25 + at * 0.5, 2), "end": round(0.65 + at * 0.5, 2)}
    for at, word in enumerate(TEXT.split())
]
SEGMENT = {
    "id": 0,
    "seek": 0,
    "start": 0.0,
    "end": WORDS[-1]["end"],
    "text": f" {TEXT}",
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": -0.2,
    "compression_ratio": 1.0,
    "no_speech_prob": 0.01,
}
ANSWER = {
    "task": "transcribe",
    "language": "english",
    "duration": 16.0,
    "text": TEXT,
    "segments": [SEGMENT],
    "words": WORDS,
    "usage": {"type": "duration", "seconds": 16},
}
