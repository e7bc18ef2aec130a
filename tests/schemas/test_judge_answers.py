"""Judge answers: what one reading alone can have is read, each repair is named, and nothing is guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import SHARED_JUDGE
from sparkle.schemas.answer_text import AnswerRepair
from sparkle.schemas.errors import AnswerError
from sparkle.schemas.judge_answer import read_judge_answer
from sparkle.schemas.rubric import OPENVE_HEADINGS, SPARKLE_6

HEADINGS = tuple(dimension.heading for dimension in SPARKLE_6.dimensions)
SCORES = (5, 2, 4, 3, 1, 4)
TABLE = dict(zip(HEADINGS, SCORES, strict=True))
FORM = "{name}: {score}"
SAMPLES = SHARED_JUDGE / "judge_answers.jsonl"


def written(form: str, before: str = "Brief reasoning: The pier is there, its waves are not.\n") -> str:
    """An answer whose lines have a form."""
    lines = (
        form.format(name=name, score=score, number=number)
        for number, (name, score) in enumerate(TABLE.items(), 1)
    )
    return before + "\n".join(lines)


def first(text: str) -> str:
    """An answer whose first score is written in some other way."""
    return written(FORM).replace("Instruction Compliance: 5", f"Instruction Compliance: {text}")


AS_ASKED = {
    "the form": written(FORM),
    "with full stops": written("{name}: {score}."),
    "with exclamation marks": written("{name}: {score}!"),
    "with the line ends of Windows": written(FORM).replace("\n", "\r\n"),
    "without spaces": written("{name}:{score}"),
    "in another order": "\n".join(reversed(written(FORM).splitlines())),
    "with a total of its own": written(FORM) + "\nOverall: 3.2",
    "with reasons below": written("{name}: {score}\n  - the edges hold"),
    "with prose under the same headings": written("{name}: it fits the words well.") + "\n" + written(FORM),
    "with prose that counts": written("{name}: there are 2 boats on the water.") + "\n" + written(FORM),
    "with a label for the total": written(FORM) + "\n\nScore: 3.2",
    "with a scale that is this one": written(FORM, "Scores on a scale of 1 to 5:\n"),
    "with a scale that is none": written(FORM, "Brief reasoning: the scale of 3 boats is off.\n"),
    "with the rubric repeated": "Instruction Compliance\n1. No change at all.\n2. Partly.\n" + written(FORM),
}
READABLE = {
    "bold headings": ("**{name}:** {score}", "bold"),
    "bold names": ("**{name}**: {score}", "bold"),
    "bold scores": ("{name}: **{score}**", "bold"),
    "underlined": ("__{name}: {score}__", "bold"),
    "dashes": ("- {name}: {score}", "bullet"),
    "stars": ("* {name}: {score}", "bullet"),
    "quotation": ("> {name}: {score}", "bullet"),
    "bold in a list": ("* **{name}:** {score}", "bold, bullet"),
    "numbered": ("{number}. {name}: {score}", "numbered"),
    "numbered otherwise": ("({number}) {name}: {score}", "numbered"),
    "bold and numbered": ("**{number}. {name}:** {score}", "bold, numbered"),
    "of five": ("{name}: {score}/5", "out of the highest"),
    "of five in words": ("{name}: {score} out of 5.", "out of the highest"),
    "points": ("{name}: {score} points", "label"),
    "labelled": ("{name}: Score: {score}", "label"),
    "labelled names": ("{name} score: {score}", "label"),
    "decimals": ("{name}: {score}.0", "decimals"),
    "decimals of five": ("{name}: {score}.0/5.0", "out of the highest, decimals"),
    "wide": ("{name}：{score}", "full width"),
    "in brackets": ("{name}: [{score}]", "quoted"),
    "in parentheses": ("{name} ({score}/5)", "quoted, separator, out of the highest"),
    "equals": ("{name} = {score}", "separator"),
    "a dash between": ("{name} — {score}", "separator"),
    "a space before the colon": ("{name} : {score}", "separator"),
    "nothing between": ("{name} {score}", "separator"),
    "a remark in parentheses": ("{name}: {score} (soft edges)", "remark left out"),
    "a remark behind a dash": ("{name}: {score} - soft edges", "remark left out"),
    "a remark behind a full stop": ("{name}: {score}. Soft edges.", "remark left out"),
    "a remark that names a frame": ("{name}: {score} (flickers in frame 3)", "remark left out"),
    "a reason": ("{name}: {score} because the light fits", "remark left out"),
    "a score behind its reason": ("{name}: The light fits. Score: {score}", "remark left out"),
    "the scale repeated": ("{name} (1-5): {score}", "template left out"),
    "a line below": ("{name}:\n{score}", "score on another line"),
    "a line below a heading": ("### {name}\n{score}", "score on another line"),
    "a section": (
        "## {number}. {name}\nThe light fits.\n**Score: {score}**\n",
        "label, score on another line",
    ),
    "angle brackets": ("{name}: <{score}>", "quoted"),
    "the scale behind": ("{name}: {score} [1-5]", "out of the highest"),
    "a verb": ("{name} is {score}", "separator"),
    "tags of its own": ("<{name}>{score}</{name}>", "quoted"),
    "in LaTeX": ("{name}: $\\boxed{{{score}}}$", "LaTeX"),
    "emoji before": ("✅ **{name}**: {score}", "bold, bullet"),
    "bullets without a space": ("-{name}: {score}", "bullet"),
    "numbers in circles": ("① {name}: {score}", "numbered"),
    "dimensions that are counted": ("Dimension {number}: {name}: {score}", "numbered"),
    "emoji behind": ("{name}: {score} ✅", "remark left out"),
    "bold before a remark": ("**{name}: {score}** The light fits.", "bold, remark left out"),
    "of a scale of five": ("{name}: {score} on a scale of 1 to 5", "out of the highest"),
    "out of five in parentheses": ("{name}: {score} (out of 5)", "out of the highest"),
    "a level": ("{name}: Level {score}", "label"),
    "a score of": ("{name}: a score of {score}", "label"),
    "points of five": ("{name}: {score} pts out of 5", "label, out of the highest"),
    "a remark behind an arrow": ("{name}: {score} → the light fits", "remark left out"),
    "an article": ("{name}: a {score}", "label"),
    "a sentence": ("{name}: I give it a {score}.", "label"),
    "a label before": ("Score for {name}: {score}", "label"),
    "a label in parentheses": ("{name} (Score: {score})", "quoted, separator, label"),
    "one star each": ("{name}: {score}★", "label"),
    "dots between": ("{name} .... {score}", "separator"),
    "tags of HTML": ("<p><b>{name}:</b> <span class='a'>{score}</span></p>", "quoted"),
    "an entity": ("{name}:&nbsp;{score}", "quoted"),
    "another colon": ("{name}﹕{score}", "full width"),
    "marks of direction": ("\u2066{name}\u2069: {score}", "invisible characters"),
    "a remark that counts something else": ("{name}: {score} (20% of the 1080p sky)", "remark left out"),
    "other case": ("{name}: {score}".lower(), ""),
}
WRONG = {
    "the source's": (written(FORM).replace("Integrity:", "Integrity (source):"), "a score of the source"),
    "a scale of ten said first": (written(FORM, "Scores on a scale of 1-10:\n"), "another scale"),
    "a scale in points": (written(FORM, "By a 10-point scale:\n"), "another scale"),
    "JSON with another scale": (json.dumps({"scale": 10} | TABLE), "another scale"),
    "another score below": (written("{name}: {score}\nIt holds.\nScore: 3"), "two answers"),
    "another number below": (written("{name}: {score}\n3"), "two answers"),
    "two scores of a part": (written("## {name}\nScore: {score}\nNo:\nScore: 3"), "two answers"),
    "a column of scores": (written("{name}\n5\n4\n3"), "two answers"),
    "fewer stars": (first("5 ★★★☆☆"), "two answers"),
    "an emoji of doubt": (first("4 ❓"), "ambiguous"),
    "an exponent in LaTeX": (first("$4^2$"), "ambiguous"),
    "an exponent in HTML": (first("4<sup>2</sup>"), "ambiguous"),
    "struck out": (first("~~4~~ 3"), "no number"),
    "the greatest score": (first("below the maximum score: 5"), "no number"),
    "cut in a thought of another form": ("[THINK]\n" + written(FORM), "cut short"),
    "another draft before a thought": (first("2") + "<think>No.</think>" + written(FORM), "two answers"),
    "JSON with its greatest score": (
        json.dumps({k: {"score": v, "max": 10} for k, v in TABLE.items()}),
        "two answers",
    ),
    "JSON with another score": (
        json.dumps([{"dimension": k, "score": v, "source_score": "3"} for k, v in TABLE.items()]),
        "two answers",
    ),
    "a fraction": (first("4.7"), "out of the scale"),
    "above the scale": (first("5.9"), "out of the scale"),
    "six": (first("6"), "out of the scale"),
    "zero": (first("0"), "out of the scale"),
    "two digits": (first("45"), "out of the scale"),
    "hundreds of digits": (first("9" * 400), "out of the scale"),
    "below zero": (first("-4"), "no number"),
    "no number": (first("nan"), "no number"),
    "not applicable": (first("N/A"), "no number"),
    "a word": (first("five"), "no number"),
    "a word beside a number": (first("five") + "\nInstruction Compliance: 5", "no number"),
    "nothing": (first(""), "missing"),
    "about": (first("about 4"), "no number"),
    "a tilde": (first("~4"), "no number"),
    "a range": (first("4-5"), "ambiguous"),
    "one or the other": (first("4 or 5"), "ambiguous"),
    "another one behind it": (first("4 (was 5)"), "ambiguous"),
    "another one in words": (first("4 - maybe five"), "ambiguous"),
    "a decimal comma": (first("4,5"), "ambiguous"),
    "a colon and another one": (first("4 - light: 2"), "ambiguous"),
    "two numbers": (first("4 2"), "ambiguous"),
    "a plus": (first("4+"), "ambiguous"),
    "a question": (first("4?"), "ambiguous"),
    "a half more": (first("4½"), "ambiguous"),
    "per cent": (first("4%"), "ambiguous"),
    "of ten": (first("4/10"), "another scale"),
    "of ten in words": (first("4 out of 10"), "another scale"),
    "less than": (first("<4"), "no number"),
    "another word behind it": (first("4 (five)"), "two answers"),
    "another number behind a word": (first("four (5)"), "no number"),
    "things that are counted": (first("2 of the boats"), "ambiguous"),
    "two answers": (written(FORM) + "\nInstruction Compliance: 2", "two answers"),
    "two forms": (written(FORM) + "\n" + written("{name}: 3"), "two answers"),
    "stars": (first("★★★★"), "missing"),
    "one is missing": (written(FORM).rpartition("\n")[0], "missing"),
    "a name misspelt": (written(FORM).replace("Integrity", "Integrety"), "missing"),
    "half a name": (written(FORM).replace("Overall Visual Quality", "Quality"), "missing"),
    "cut in a name": (written(FORM)[:-18], "cut short"),
    "cut before a score": (written(FORM)[:-2], "cut short"),
    "cut in a thought": ("<think>\n" + written(FORM), "cut short"),
    "a table": (written("| {name} | {score} |"), "no scores"),
    "the form alone": (written("{name}: A number from 1 to 5."), "no scores"),
    "prose": ("A fine edit, 4 of 5 from me.", "no scores"),
    "empty": (" \n ", "nothing"),
    "refused": ("I'm sorry, but I can't judge people in videos.", "refused"),
    "JSON with a fraction": (json.dumps(TABLE | {HEADINGS[0]: 4.5}), "out of the scale"),
    "JSON with true": (json.dumps(TABLE | {HEADINGS[0]: True}), "no number"),
    "JSON with null": (json.dumps(TABLE | {HEADINGS[0]: None}), "no number"),
    "JSON with NaN": (json.dumps(TABLE | {HEADINGS[0]: float("nan")}), "missing"),
    "JSON with a key twice": (json.dumps(TABLE)[:-1] + f', "{HEADINGS[0]}": 2}}', "two answers"),
    "JSON that was cut": (json.dumps(TABLE)[:-1], "cut short"),
    "JSON that was cut behind its scores": (
        json.dumps({"scores": TABLE, "reason": "It"})[:-2],
        "cut short",
    ),
    "JSON twice": (json.dumps(TABLE) + json.dumps(TABLE | {HEADINGS[0]: 1}), "two answers"),
    "JSON of the source beside it": (
        json.dumps({"source": dict.fromkeys(HEADINGS, 5), "edited": TABLE}),
        "two answers",
    ),
    "JSON beside other lines": (json.dumps(TABLE) + "\nForeground Integrity: 1", "two answers"),
    "scores without names": (json.dumps({"scores": SCORES}), "no scores"),
}
JSONS = {
    "an object": (json.dumps(TABLE), "JSON"),
    "in a fence": (f"```json\n{json.dumps(TABLE, indent=1)}\n```", "fence, JSON"),
    "with words around": (f"Here it is:\n{json.dumps(TABLE)}\nThat is 3 of 3.", "JSON"),
    "other keys": (json.dumps({k.lower().replace(" ", "_"): v for k, v in TABLE.items()}), "JSON, spelling"),
    "texts": (json.dumps({k: f"{v}/5" for k, v in TABLE.items()}), "JSON, quoted, out of the highest"),
    "floats": (json.dumps({k: float(v) for k, v in TABLE.items()}), "JSON, decimals"),
    "nested": (json.dumps({"reasoning": "2 boats", "scores": TABLE}), "JSON"),
    "with reasons": (
        json.dumps({k: {"score": v, "reason": "of 3"} for k, v in TABLE.items()}),
        "JSON, label",
    ),
    "a list": (json.dumps([{"dimension": k, "score": v} for k, v in TABLE.items()]), "JSON"),
    "a comma too many": (json.dumps(TABLE, indent=1).replace("4\n}", "4,\n}"), "loose JSON, quoted"),
    "comments": ("{" + written('"{name}": {score}, // it fits', "") + "}", "loose JSON, quoted"),
    "with its greatest score": (
        json.dumps({k: {"score": v, "max_score": 5, "confidence": 0.9} for k, v in TABLE.items()}),
        "JSON, label",
    ),
    "lines inside": (json.dumps({"answer": written(FORM)}), "JSON"),
    "an object per line": (
        "\n".join(json.dumps({"dimension": k, "score": v}) for k, v in TABLE.items()),
        "JSON",
    ),
    "braces around and inside": (f"Of {{a, b}}: {json.dumps({'Brief reasoning': 'a { c'} | TABLE)}", "JSON"),
    "the form first": (
        json.dumps(dict.fromkeys(HEADINGS, "1-5")) + json.dumps(TABLE),
        "JSON, template left out",
    ),
    "numbered and bold keys": (
        json.dumps({f"{n}. **{k}**": v for n, (k, v) in enumerate(TABLE.items(), 1)}),
        "JSON, bold, numbered",
    ),
    "quotes of Python": (str(TABLE), "loose JSON, quoted"),
}
AROUND = {
    "thoughts": (f"<think>\nForeground Integrity: 1\n</think>\n{written(FORM)}", "thought left out"),
    "thoughts of another form": (f"[THINK]{first('1')}[/THINK]{written(FORM)}", "thought left out"),
    "thoughts below": (f"{written(FORM)}\n<reasoning>2 boats</reasoning>", "thought left out"),
    "a channel": (
        f"<|channel|>analysis<|message|>{first('1')}<|end|><|channel|>final<|message|>{written(FORM)}<|end|>",
        "thought left out, quoted",
    ),
    "line ends in two characters": (written(FORM).replace("\n", "\\n"), "escaped line ends"),
    "a text of JSON": (json.dumps(written(FORM)), "escaped line ends"),
    "a part of its own for the total": (
        written("## {name}\nThe light fits.\nScore: {score}\n") + "\n## Overall\nScore: 3.2",
        "label, score on another line",
    ),
    "the rubric's own heading with a slash": (
        written(FORM).replace("Dynamics:", "Dynamics / Liveness:"),
        "heading",
    ),
    "fenced lines": (f"```\n{written(FORM)}\n```", "fence"),
    "tags": (f"<answer>\n{written(FORM)}\n</answer>", "quoted"),
    "characters that nobody sees": (written(FORM).replace("Visual", "Visual\u200b"), "invisible characters"),
    "the rubric's own heading": (written(FORM).replace("Dynamics:", "Dynamics (Liveness):"), "heading"),
    "lower case": (written(FORM).lower(), "spelling"),
    "the form first": (written("{name}: 1-5.") + "\n\n" + written(FORM), "template left out"),
    "one line": (", ".join(f"{k}: {v}" for k, v in TABLE.items()), "one line"),
    "one line with bars": (" | ".join(f"{k}: {v}" for k, v in TABLE.items()), "one line"),
    "one line with parentheses": (
        ", ".join(f"{k} ({v})" for k, v in TABLE.items()),
        "quoted, separator, one line",
    ),
    "one line with slashes": (" / ".join(f"{k}: {v}" for k, v in TABLE.items()), "one line"),
    "a score in words, too": (first("five (5)"), "label"),
    "one line with numbers": (
        " ".join(f"{n}. {k}: {v}" for n, (k, v) in enumerate(TABLE.items(), 1)),
        "numbered, one line",
    ),
    "a score behind the reasoning": (written(FORM, "Brief reasoning: Fine. "), "one line"),
    "one of them twice": (written(FORM) + "\nForeground Integrity: 4", "same twice"),
}


@pytest.mark.parametrize("case", AS_ASKED)
def test_an_answer_as_it_was_asked_for_is_read(case: str) -> None:
    found = read_judge_answer(AS_ASKED[case], HEADINGS)
    assert (found.scores, found.repairs) == (SCORES, ())


@pytest.mark.parametrize("case", [*READABLE, *JSONS, *AROUND])
def test_what_is_readable_is_read_and_says_what_was_mended(case: str) -> None:
    if case in READABLE:
        form, repairs = READABLE[case]
        answer = written(form)
        if not repairs:
            answer, repairs = answer.lower(), "spelling"
    else:
        answer, repairs = (JSONS | AROUND)[case]
    found = read_judge_answer(answer, HEADINGS)
    assert (found.scores, ", ".join(found.repairs)) == (SCORES, repairs)
    assert {*found.repairs} <= {repair.value for repair in AnswerRepair}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_and_keeps_the_words(case: str) -> None:
    answer, problem = WRONG[case]
    with pytest.raises(AnswerError, match=problem) as caught:
        read_judge_answer(answer, HEADINGS, where="Sparkle_location_000001")
    assert caught.value.got == answer
    assert "Sparkle_location_000001" in str(caught.value.where)


@pytest.mark.parametrize("theme", OPENVE_HEADINGS)
def test_headings_with_an_ampersand_are_read_as_models_write_them(theme: str) -> None:
    headings = OPENVE_HEADINGS[theme]
    lines = [f"{heading}: {score}" for heading, score in zip(headings, (4, 3, 2), strict=True)]
    assert read_judge_answer("\n".join(lines), headings).repairs == ()
    found = read_judge_answer("\n".join(lines).replace("&", "and"), headings)
    assert found.scores == (4, 3, 2)
    assert found.repairs == (("spelling",) if any("&" in heading for heading in headings) else ())


@pytest.mark.skipif(not SAMPLES.is_file(), reason="the nineteen answers are not here")
def test_the_nineteen_answers_come_out_as_wanted() -> None:
    lines = [json.loads(line) for line in SAMPLES.read_text("utf-8").splitlines()]
    for line in lines:
        try:
            came = "repair" if read_judge_answer(line["answer"], HEADINGS).repairs else "ok"
        except AnswerError:
            came = "fail"
        assert came == line["suggested"].partition(":")[0], line["case"]
    assert len(lines) == 19


@given(
    st.lists(st.sampled_from([*HEADINGS, *"1:5.-/\n*#{}[],\"' ", "Score", "of", "<think>", "½"]), max_size=60)
)
def test_any_answer_is_read_or_refused(parts: list[str]) -> None:
    try:
        found = read_judge_answer("".join(parts), HEADINGS)
    except AnswerError:
        return
    assert len(found.scores) == len(HEADINGS)
    assert {*found.scores} <= {1, 2, 3, 4, 5}


BEFORE = (
    "",
    "- ",
    "* ",
    "• ",
    "{number}. ",
    "({number}) ",
    "### ",
    "### {number}. ",
    "> ",
    "🎯 ",
    "- {number}) ",
)
NAMES = (
    "{name}",
    "**{name}**",
    "*{name}*",
    "`{name}`",
    '"{name}"',
    "[{name}]",
    "{name} Score",
    "{name} (1-5)",
    "<b>{name}</b>",
)
BETWEEN = (": ", ":", " : ", "：", " = ", " — ", " – ", " -> ", ": Score: ")
VALUES = (
    "{score}",
    "{score}/5",
    "{score} out of 5",
    "{score}.0",
    "**{score}**",
    "[{score}]",
    "({score}/5)",
    "${score}$",
)
BEHIND = (
    "",
    ".",
    ";",
    "  ",
    " (it fits)",
    " - it fits",
    ", it fits",
    " — it fits",
    " because it fits",
    " ✅",
    "!",
)
NO_SCORES = (
    "4.5",
    "3-4",
    "4/10",
    "0",
    "6",
    "-3",
    "N/A",
    "3 or 4",
    "four",
    "~4",
    "4±1",
    "8/10",
    "70%",
    "4 (5)",
    "3/4",
    "4→3",
    "≥4",
    "4?",
    "4½",
    "④",
    "★★★",
)
forms = st.tuples(*(st.sampled_from(parts) for parts in (BEFORE, NAMES, BETWEEN, VALUES, BEHIND))).map(
    "".join
)


@given(forms, st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_ways_of_writing_go_together(form: str, scores: list[int]) -> None:
    lines = (
        form.format(name=name, score=score, number=number)
        for number, (name, score) in enumerate(zip(HEADINGS, scores, strict=True), 1)
    )
    found = read_judge_answer("\n".join(lines), HEADINGS)
    assert found.scores == tuple(scores)
    assert found.repairs or form.rstrip(".;! ") in ("{name}: {score}", "{name}:{score}")


@given(forms, st.sampled_from(NO_SCORES), st.integers(1, 6))
def test_what_is_no_score_is_none_in_any_form(form: str, said: str, wrong: int) -> None:
    lines = (
        form.format(name=name, score=said if number == wrong else 3, number=number)
        for number, name in enumerate(HEADINGS, 1)
    )
    with pytest.raises(AnswerError):
        read_judge_answer("\n".join(lines), HEADINGS)


@given(st.lists(st.integers(1, 5), min_size=6, max_size=6), st.sampled_from(sorted(READABLE)))
def test_every_score_is_read_as_it_was_written(scores: list[int], case: str) -> None:
    form = READABLE[case][0]
    lines = (
        form.format(name=name, score=score, number=number)
        for number, (name, score) in enumerate(zip(HEADINGS, scores, strict=True), 1)
    )
    assert read_judge_answer("\n".join(lines), HEADINGS).scores == tuple(scores)
