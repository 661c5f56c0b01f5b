"""The small judge: what it reads, what it says, and when its folder is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tiny_judge import CALIBRATION, NEVER_SURE, SIDE, make_tiny_judge

from agent.cores import usable_cores
from agent.errors import CancelledError, ConfigError, LimitReachedError
from agent.judge_spec import JudgeSpec, parse_judge
from agent.ledger import Ledger, Limits
from agent.rubric import Criterion
from agent.small_judge.calibration import Calibration
from agent.small_judge.folder import JUDGE_FILE, MODEL_FILES, TOKENIZER_FILE, file_digest, read_judge_folder
from agent.small_judge.judge import load_small_judge
from agent.small_judge.reading import Layout, Pair
from agent.small_judge.scorer import PairScorer

ASKED = [{"role": "user", "content": "my chest hurts"}]
ANSWER = "Please sit down. Call an ambulance now."
RUBRIC = (
    Criterion("call an ambulance now", 5),
    Criterion("purple zebra", 5),
    Criterion("call zebra", 5),
    Criterion("sit down", -5),
    Criterion("blue penguin", -5),
)


@pytest.fixture
def folder(tmp_path):
    return make_tiny_judge(tmp_path / "tiny")


def judged(judge, *answers, rubric=RUBRIC, ledger=None):
    return judge.judge(ASKED, answers, rubric, ledger=ledger or Ledger())


def values(rows):
    return [[verdict.value for verdict in row] for row in rows]


def test_each_answer_gets_a_verdict_per_criterion_in_their_order(folder):
    rows = judged(load_small_judge(folder), ANSWER, "", "A purple zebra.")
    assert values(rows) == [
        ["met", "unmet", "unknown", "met", "unmet"],
        ["unmet", "unmet", "unmet", "unmet", "unmet"],
        ["unmet", "met", "unknown", "unmet", "unmet"],
    ]


def test_a_met_verdict_quotes_the_passage_that_is_nearest_and_every_verdict_tells_its_probability(folder):
    met, unmet, unknown, *_ = judged(load_small_judge(folder), ANSWER)[0]
    assert (met.evidence, met.reason) == ("Call an ambulance now.", "holds: its probability is 1.00")
    assert (unmet.evidence, unmet.reason) == ("", "does not hold: its probability is 0.00")
    assert (unknown.evidence, unknown.fix) == ("", None)
    assert unknown.reason == "may hold, this judge is not sure enough: its probability is 0.50"


def test_probabilities_are_those_that_the_verdicts_rest_on(folder):
    probabilities = load_small_judge(folder).probabilities(ASKED, [ANSWER, ""], RUBRIC[:3])
    assert np.round(probabilities, 3).tolist() == [[0.998, 0.002, 0.5], [0.002, 0.002, 0.002]]


def test_a_polarity_that_no_bound_fits_is_always_unknown(tmp_path):
    calibration = Calibration(positive=SIDE, negative=NEVER_SURE, risk=0.1)
    judge = load_small_judge(make_tiny_judge(tmp_path / "half", calibration=calibration))
    assert values(judged(judge, ANSWER)) == [["met", "unmet", "unknown", "unknown", "unknown"]]


def test_without_bounds_the_likelier_verdict_is_given_of_every_criterion(tmp_path):
    never = Calibration(NEVER_SURE, NEVER_SURE, CALIBRATION.risk)
    judge = load_small_judge(make_tiny_judge(tmp_path / "unsure", calibration=never))
    assert values(judged(judge, ANSWER)) == [["unknown"] * 5]
    assert values(judged(judge.likelier(), ANSWER)) == [["met", "unmet", "met", "met", "unmet"]]
    assert judge.likelier().name == f"{judge.name} without bounds", (
        "its verdicts are not to be taken for the judge's own"
    )


def test_a_number_that_is_none_is_unknown_and_never_unmet():
    assert SIDE.verdict(SIDE.probability(float("nan"))) == "unknown"


def test_nothing_to_judge_is_no_verdict(folder):
    judge = load_small_judge(folder)
    assert (judged(judge, rubric=RUBRIC), judged(judge, ANSWER, rubric=())) == ([], [[]])


def test_half_characters_are_read_as_unknown_ones(folder):
    rubric = [Criterion("call \ud83d now", 5)]
    (row,) = load_small_judge(folder).judge(
        [{"role": "user", "content": "\udc00"}], ["call \ud800 now"], rubric, ledger=Ledger()
    )
    assert (row[0].value, row[0].evidence) == ("met", "call \ufffd now")


def test_a_long_rubric_and_a_long_answer_are_judged_whole(folder):
    long = " ".join(f"Sentence {number} is about nothing at all." for number in range(400))
    rubric = [*RUBRIC, *(Criterion(f"names the planet {number}", 5) for number in range(60))]
    (row,) = judged(load_small_judge(folder), f"{long} {ANSWER} {long}", rubric=rubric)
    assert (len(row), row[0].value, row[0].evidence) == (65, "met", "Call an ambulance now.")


def test_whoever_no_longer_waits_ends_it_between_two_pairs(folder):
    gone = Event()

    class LeavesAfterThree(Ledger):
        passed = 0

        def check(self) -> None:
            super().check()
            self.passed += 1
            if self.passed == 3:
                gone.set()

    ledger = LeavesAfterThree(cancelled=gone)
    with pytest.raises(CancelledError):
        judged(load_small_judge(folder), *[ANSWER] * 40, ledger=ledger)
    assert 3 <= ledger.passed <= 3 + usable_cores()


def test_a_limit_that_is_reached_ends_it(folder):
    with pytest.raises(LimitReachedError, match="seconds"):
        judged(load_small_judge(folder), ANSWER, ledger=Ledger(Limits(max_seconds=0)))


def test_many_threads_get_the_verdicts_that_one_gets(folder):
    judge = load_small_judge(folder)
    answers = [ANSWER if number % 2 else f"Zebra {number}." for number in range(24)]
    alone = [values(judged(judge, answer)) for answer in answers]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda answer: values(judged(judge, answer)), answers)) == alone


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (1, 4), (3, 2), (64, None)])
def test_a_pair_has_the_same_logit_however_many_are_asked_at_once(folder, batch, threads):
    pairs = [
        Pair((101, *range(2000, 2000 + n), 102, *range(2000, 2000 + n // 2), 102), n + 2, "") for n in (9, 2, 30, 4)
    ]
    together = PairScorer(folder / MODEL_FILES["fp32"], batch=batch, threads=threads).logits(pairs)
    alone = [PairScorer(folder / MODEL_FILES["fp32"]).logits([pair])[0] for pair in pairs]
    assert np.allclose(together, alone, atol=1e-5)
    assert len(set(np.round(alone, 4))) > 1


def test_a_folder_is_opened_once_until_it_changes(tmp_path):
    folder = make_tiny_judge(tmp_path / "judge")
    first = load_small_judge(folder)
    assert load_small_judge(folder / ".." / "judge") is first
    make_tiny_judge(folder, calibration=Calibration(SIDE, SIDE, risk=0.1))
    changed = load_small_judge(folder)
    assert changed is not first and changed.name != first.name


def test_the_name_tells_what_is_asked_and_not_where_it_lies(tmp_path, folder):
    moved = make_tiny_judge(tmp_path / "elsewhere" / "tiny")
    assert load_small_judge(moved).name == load_small_judge(folder).name
    assert load_small_judge(folder).name.startswith("small:tiny@")
    assert load_small_judge(folder, precision="fp32").name == load_small_judge(folder).name
    assert load_small_judge(folder, precision="int8").name == load_small_judge(folder).name + " int8"


@pytest.mark.parametrize("name", [*MODEL_FILES.values(), TOKENIZER_FILE])
@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-1])])
def test_a_folder_that_is_not_whole_is_refused(folder, name, change):
    change(folder / name)
    with pytest.raises(ConfigError, match=f"{name}.*clinalign eval distil-judge"):
        load_small_judge(folder)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"format": 2}, "format 2, this version of clinalign reads 1"),
        ({"serves": "fp16"}, "not as it was written"),
        ({"layout": {"window": 10}}, "no room"),
        ({"calibration": {}}, "not as it was written"),
        ({"embedder": "another@1"}, "by the encoder another@1"),
    ],
)
def test_a_folder_of_another_version_or_encoder_is_refused(folder, told, error):
    facts = json.loads((folder / JUDGE_FILE).read_text())
    (folder / JUDGE_FILE).write_text(json.dumps(facts | told))
    with pytest.raises(ConfigError, match=error):
        load_small_judge(folder)


@pytest.mark.parametrize("name", [MODEL_FILES["fp32"], TOKENIZER_FILE])
def test_a_file_that_is_what_it_says_but_no_model_is_refused(folder, name):
    (folder / name).write_bytes(b"{}")
    facts = json.loads((folder / JUDGE_FILE).read_text())
    facts["hashes"][name] = file_digest(folder / name)
    (folder / JUDGE_FILE).write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match=name):
        load_small_judge(folder)


def test_what_is_no_folder_of_a_judge_says_how_one_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"no small judge: there is no judge\.json.*clinalign eval distil-judge"):
        load_small_judge(tmp_path)


def test_facts_come_back_as_they_were_written(folder):
    found = read_judge_folder(folder).facts
    assert (found.layout, found.calibration, found.serves) == (Layout(), CALIBRATION, "fp32")
    assert found.as_dict() == json.loads((folder / JUDGE_FILE).read_text())


@pytest.mark.parametrize(
    ("spec", "small", "rest"),
    [
        ("openai:gpt-4.1", None, "openai:gpt-4.1"),
        ("small:runs/judge", "runs/judge", None),
        ("small:runs/judge,openai:gpt-4.1", "runs/judge", "openai:gpt-4.1"),
        ("small:a,b/judge,embedded", "a,b/judge", "embedded"),
        ("small:of, two words", "of, two words", None),
        ("small:judge,recorded:verdicts.jsonl", "judge", "recorded:verdicts.jsonl"),
    ],
)
def test_a_judge_is_named_by_its_parts(spec, small, rest):
    parsed = parse_judge(spec)
    assert parsed == JudgeSpec(Path(small) if small else None, rest)
    assert ",".join(parsed.parts) == spec


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("small:", "names no folder"),
        ("openai:a,small:b", "begins with the small judge"),
        ("small:a,small:b", "one small judge and one other"),
        ("small:a,openai:b,openai:c", "one small judge and one other"),
    ],
)
def test_a_cascade_that_cannot_be_is_refused(spec, error):
    with pytest.raises(ConfigError, match=error):
        parse_judge(spec)


def test_a_folder_of_the_home_is_found_behind_the_colon(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_judge("small:~/judge,openai:b") == JudgeSpec(tmp_path / "judge", "openai:b")
