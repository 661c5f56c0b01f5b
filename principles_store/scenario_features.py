"""What the scenario classifier looks at: the meaning of the user's turns, and counts of telling words.

Only features; the classifier is `scenario.py`.
"""

from __future__ import annotations

import math
import re

import numpy as np

from principles_store.conversation import Conversation, last_turn, query_texts, user_text
from principles_store.embedding import Embedder, Vectors

FEATURES_VERSION = 4
"""Raise it with every change here: cached rows of another version are not used."""
WORDS_WEIGHT = 0.5
"""Of the word counts beside the unit vector of the last turn."""
CONTEXT_WEIGHT = 1.0
"""Of the vector of all user turns. Both were chosen by `python -m training.scenario_grid`, on the exemplars alone."""

_WORDS = {
    "clinician": r"\b(my|our|a|the) patients?\b|\b(pt|pts|hx|dx|rx|tx|s/p|c/o|w/o|bid|tid|qid|prn|ckd|"
    r"t2dm|htn|copd|icu|ed|iv|po|nstemi|"
    r"egfr|bmp|cbc|hba1c|a1c|bp|hr|spo2|mmhg|mg/dl|mmol|ct|mri|ecg|ekg|yo|y\.o\.|gcs)\b|\b\d{1,3} ?(yo|[mf])\b",
    "clinician_role": r"\b(i am|i'm|as) (a|an) [\w\s-]{0,25}(doctor|nurse|physician|resident|pharmacist|"
    r"paramedic|intern|dentist|"
    r"surgeon|gp|clinician|midwife|therapist|student|researcher|specialist|consultant)\b|"
    r"\b(colleague|ward|clinic|rounds)\b",
    "document": r"\b(write|draft|compose|summari[sz]e|rewrite|rephrase|paraphrase|edit|polish|proofread|"
    r"translate|revise|soap|note|"
    r"letter|message|mychart|template|document|fill in|convert|format|calculate|extract|list the)\b",
    "self": r"\b(i|i'm|im|i've|my|me)\b",
    "other": r"\b(he|she|his|her|him|husband|wife|son|daughter|baby|child|kid|mother|father|mom|dad|"
    r"mum|grand\w+|friend)\b",
    "alarm": r"\b(chest pain|can'?t breathe|not breathing|unconscious|unresponsive|collaps\w*|"
    r"seizure|convuls\w*|bleeding|overdos\w*|"
    r"suicid\w*|kill (my|him|her)self|stroke|slurr\w*|faint\w*|passed out|blue|choking|"
    r"stabbed|crash|poison\w*|swallowed|"
    r"anaphyla\w*|throat (is )?(closing|swelling)|worst headache|paraly[sz]ed|deteriorat\w*|"
    r"crashing|hypotensi\w*|shock|numb\w*|"
    r"confus\w*|drows\w*|unwell|severe(ly)?|suddenly|sudden|getting worse|worse|emergency|er\b|911|999|112|urgent)",
    "now": r"\b(now|right now|just|minutes? ago|tonight|today|this morning|hours? ago|suddenly|"
    r"at the moment|currently)\b",
    "mild": r"\b(mild|slight|a bit|manageable|weeks|months|years|chronic|routine|occasional\w*|"
    r"sometimes|no fever|no pain|"
    r"appointment|prevent|healthy|normal)\b",
    "hypothetical": r"\b(hypothetical\w*|in general|theoretical\w*|what are the signs|guideline|lecture|"
    r"exam|poster|story|novel|article|"
    r"pamphlet|training|course|quiz)\b",
    "guarantee": r"\b(guarantee\w*|100 ?%|definite\w*|for (sure|good|certain)|permanent\w*|forever|"
    r"proven|always|never|how long (do|does|will)|"
    r"survival|prognosis|life expectancy|chance\w*|cure\w*|promise|certain\w*)\b",
    "place": r"\b(in|from|here in) (?-i:[A-Z][a-z]+)|\b(rural|village|remote|country|abroad|"
    r"clinic has no|limited|resource\w*|local|"
    r"near (me|here)|available|legal|insurance|cost|price|over the counter|where can i|"
    r"vaccin\w*|malaria|travel\w*|endemic|district)\b",
    "attachment": r"\b(attached|attachment|below|above|pasted|here (is|are)|following|the chart|"
    r"the report|the image|see the|"
    r"missing|incomplete|not provided|rest of)\b",
    "asks_detail": r"\b(explain|detail\w*|compare|comprehensive|plan|overview|pros and cons|step by step|"
    r"in depth|strategy|approach|"
    r"management|options|workup)\b",
    "asks_short": r"\b(quick|briefly|short|yes or no|just tell|only|one word|in a sentence)\b",
}
_COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _WORDS.items()}


def scenario_features(conversation: Conversation, embedder: Embedder) -> Vectors:
    """Return the feature row of a conversation, shape (2 D + W,)."""
    vectors = embedder.encode(query_texts(conversation))
    return np.concatenate([vectors[0], CONTEXT_WEIGHT * vectors[-1], WORDS_WEIGHT * _word_features(conversation)])


def _word_features(conversation: Conversation) -> Vectors:
    """Return shapes and counts of words in the user's turns, each scaled to about 0..1, shape (W,)."""
    last, everything = last_turn(conversation), user_text(conversation)
    shape = [
        min(1.0, math.log1p(len(last.split())) / 6),
        float("?" in last),
        min(1.0, sum(c.isdigit() for c in last) / 20),
        min(1.0, last.count("\n") / 8),
        min(1.0, (len(conversation) - 1) / 8),
        sum(ord(c) > 127 for c in everything) / max(1, len(everything)),
    ]
    counts = [min(1.0, len(pattern.findall(everything)) / 3) for pattern in _COMPILED.values()]
    return np.array([*shape, *counts], dtype=np.float32)
