"""Language codes from the names that services use: OpenAI answers `english` where others answer `en`."""

# Whisper's languages in English, by their ISO 639 codes.
_LANGUAGES = """
af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir, be belarusian, bg bulgarian, bn bengali,
bo tibetan, br breton, bs bosnian, ca catalan, cs czech, cy welsh, da danish, de german, el greek, en english,
es spanish, et estonian, eu basque, fa persian, fi finnish, fo faroese, fr french, gl galician, gu gujarati, ha hausa,
haw hawaiian, he hebrew, hi hindi, hr croatian, ht haitian creole, hu hungarian, hy armenian, id indonesian,
is icelandic, it italian, ja japanese, jw javanese, ka georgian, kk kazakh, km khmer, kn kannada, ko korean, la latin,
lb luxembourgish, ln lingala, lo lao, lt lithuanian, lv latvian, mg malagasy, mi maori, mk macedonian, ml malayalam,
mn mongolian, mr marathi, ms malay, mt maltese, my myanmar, ne nepali, nl dutch, nn nynorsk, no norwegian, oc occitan,
pa punjabi, pl polish, ps pashto, pt portuguese, ro romanian, ru russian, sa sanskrit, sd sindhi, si sinhala, sk slovak,
sl slovenian, sn shona, so somali, sq albanian, sr serbian, su sundanese, sv swedish, sw swahili, ta tamil, te telugu,
tg tajik, th thai, tk turkmen, tl tagalog, tr turkish, tt tatar, uk ukrainian, ur urdu, uz uzbek, vi vietnamese,
yi yiddish, yo yoruba, yue cantonese, zh chinese
"""
_CODES = {name: code for code, _, name in (entry.strip().partition(" ") for entry in _LANGUAGES.split(","))}


def code_of(language: str | None) -> str | None:
    """The code of a language that is given as a code or by its English name; None for anything else."""
    if not language:
        return None
    name = language.strip()
    if name.lower() in _CODES:
        return _CODES[name.lower()]
    primary, *subtags = name.replace("_", "-").split("-")
    is_tag = primary.isascii() and primary.isalpha() and len(primary) in {2, 3}
    return "-".join([primary.lower(), *subtags]) if is_tag and all(part.isalnum() for part in subtags) else None
