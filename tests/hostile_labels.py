"""Labels as nobody should write them and somebody does, and a generator of more of them."""

import random

HOSTILE = (
    "plain",
    "two\nlines",
    "two\r\nlines",
    "paragraph\u2029separator",
    "line\u2028separator",
    "next\x85line",
    "form\x0cfeed and\x0bvertical",
    "zero\x00inside",
    "\x1b[31mred\x1b[0m",
    "\x07bell",
    "tab\tinside",
    "\u202eright to left",
    "\u200fmark",
    "half \ud800 of a character",
    "x" * 300,
    "y" * 1001,
    "ü" * 300,
    "/",
    "..",
    "../../etc/passwd",
    "a/b\\c",
    "trailing dot.",
    "trailing blank ",
    " leading",
    "CON",
    "nul.txt",
    "-rf",
    "*?[a]",
    "a,b;c\td",
    '"quoted"',
    "it's",
    "<b>bold</b> & | `x` $y %z #1",
    "[red]markup[/red]",
    "=1+1",
    "@cmd",
    "{0} {name} %s",
    "😀 👩‍👩‍👧",
    "cafe\u0301",
    "café",
    "NA",
    "None",
    "nan",
    "",
    "   ",
    "\n",
    "99999999999999999999999",
    "1" * 400,
    "-0",
    "1.0",
    "1",
    "²",
    "٣",
    "true",
)
_LETTERS = [*"ab/.\\ 0-é😀", *"\n\r\0\t\x1b\x7f\x85\u2028\u202e\ud83d\u0301"]


def hostile_labels(n: int, seed: int = 0) -> list[str]:
    """Return n more of them, of up to 40 characters."""
    draw = random.Random(seed)
    return ["".join(draw.choices(_LETTERS, k=draw.randint(1, 40))) for _ in range(n)]
