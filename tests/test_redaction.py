"""Identifiers leave the text and come back unharmed; medical text stays. Both tables are ours, none of it about a real person."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.identifiers import identifiers
from agent.redaction import Redactor, StreamRestorer

HIDDEN = [
    # names by title
    ("Dr Okonkwo put me on it.", "Dr [NAME-1] put me on it."),
    ("Seen by Dr. Maria van der Berg today", "Seen by Dr. [NAME-1] [NAME-2] [NAME-3] [NAME-4] today"),
    ("Mr. J. R. Whitlock, 70", "Mr. [NAME-1]. [NAME-2]. [NAME-3], 70"),
    ("Mrs O'Brien-Walsh's scan", "Mrs [NAME-1]'s scan"),
    ("Prof. Łukasz Żółć advised rest", "Prof. [NAME-1] [NAME-2] advised rest"),
    ("ask Ms Ferreira’s nurse", "ask Ms [NAME-1]’s nurse"),
    ("Mr SMITHERS BP 150/90", "Mr [NAME-1] BP 150/90"),
    ("mrs hollis from next door", "mrs [NAME-1] from next door"),
    ("Frau Müller klagt über Husten", "Frau [NAME-1] klagt über Husten"),
    ("Mr Parkinson has Parkinson's disease", "Mr [NAME-1] has Parkinson's disease"),
    ("I saw Dr Patel Monday about it", "I saw Dr [NAME-1] Monday about it"),
    # names by cue
    ("My name is Anna Kowalska and I am 34.", "My name is [NAME-1] [NAME-2] and I am 34."),
    ("my name is anna kowalska, 34", "my name is [NAME-1] [NAME-2], 34"),
    ("my name's Tomás.", "my name's [NAME-1]."),
    ("My son's name is Idris; he is 4.", "My son's name is [NAME-1]; he is 4."),
    ("I am called Beatrix, by the way", "I am called [NAME-1], by the way"),
    ("Name: Kowalska, Anna\nAge: 34", "Name: [NAME-1], [NAME-2]\nAge: 34"),
    ("Patient name: Li Wei, male, 51", "Patient name: [NAME-1] [NAME-2], male, 51"),
    ("My Dr. Okonkwo said", "My Dr. [NAME-1] said"),
    ("Name of patient: Maria Lopez", "Name of patient: [NAME-1] [NAME-2]"),
    ("**Name:** Jonas Lindqvist", "**Name:** [NAME-1] [NAME-2]"),
    # the same name again
    ("Mrs Kowalska called. Kowalska wants a refill.", "Mrs [NAME-1] called. [NAME-1] wants a refill."),
    ("My name is Anna Kowalska. Mrs Kowalska, please!", "My name is [NAME-1] [NAME-2]. Mrs [NAME-2], please!"),
    # numbers and addresses
    ("Write to anna.k+med@example.co.uk.", "Write to [EMAIL-1]."),
    ("Call me at 212-555-0147 tonight", "Call me at [PHONE-1] tonight"),
    ("(212) 555-0147", "[PHONE-1]"),
    ("tel. 212 555 0147", "tel. [PHONE-1]"),
    ("my number is 2125550147.", "my number is [PHONE-1]."),
    ("+44 20 7946 0958 or +49 (30) 1234567", "[PHONE-1] or [PHONE-2]"),
    ("0044 20 7946 0958", "[PHONE-1]"),
    ("reach me on 07700 900123 after 18:30", "reach me on [PHONE-1] after 18:30"),
    ("06 12 34 56 78 ou le soir", "[PHONE-1] ou le soir"),
    ("0171/1234567", "[PHONE-1]"),
    ("call 212 555 0147 500 mg twice daily", "call [PHONE-1] 500 mg twice daily"),
    ("MRN 00123456, admitted", "MRN [RECORD-1], admitted"),
    ("MRN: AB-123456 BP 120/80", "MRN: [RECORD-1] BP 120/80"),
    ("medical record number is 774-2210.", "medical record number is [RECORD-1]."),
    ("NHS no. 943 476 5919", "NHS no. [RECORD-1]"),
    ("NHS number: 9434765919", "NHS number: [RECORD-1]"),
    ("NHS 943 476 5919 on file", "NHS [RECORD-1] on file"),
    ("Hospital no. H123456", "Hospital no. [RECORD-1]"),
    ("patient ID #88213-X", "patient ID #[RECORD-1]"),
    ("Insurance: XEH123456789", "Insurance: [INSURANCE-1]"),
    ("insurance ID: Blue Shield 12345678", "insurance ID: Blue Shield [INSURANCE-1]"),
    ("Ph: 9876543210", "Ph: [PHONE-1]"),
    ("policy number W123 45678.", "policy number [INSURANCE-1]."),
    ("member ID is 1234567-01", "member ID is [INSURANCE-1]"),
    ("Medicare 1EG4-TE5-MK73", "Medicare [INSURANCE-1]"),
    ("SSN 123-45-6789", "SSN [SOCIAL-SECURITY-1]"),
    ("my social security number is 123 45 6789", "my social security number is [SOCIAL-SECURITY-1]"),
    ("NI number QQ 12 34 56 C".replace("QQ", "AB"), "NI number [SOCIAL-SECURITY-1]"),
    ("DOB 12/03/1961", "DOB [DATE-OF-BIRTH-1]"),
    ("D.O.B.: 1961-03-12", "D.O.B.: [DATE-OF-BIRTH-1]"),
    ("Date of birth (12.3.61)", "Date of birth ([DATE-OF-BIRTH-1])"),
    ("born on 12 March 1961 in Leeds", "born on [DATE-OF-BIRTH-1] in Leeds"),
    ("She was born March 12th, 1961.", "She was born [DATE-OF-BIRTH-1]."),
    ("born on the 3rd of May 2024", "born on the [DATE-OF-BIRTH-1]"),
    ("DOB 12/03/1961 MRN 445566 Mr Ito", "DOB [DATE-OF-BIRTH-1] MRN [RECORD-1] Mr [NAME-1]"),
]
KEPT = [
    # doses, values, scores, times
    "Take 500 mg amoxicillin 3 times a day for 7-10 days, not 1000 mg.",
    "BP 150/90, 145/85 and 160/100; HR 88; SpO2 97 %; temp 38.5 °C",
    "Na 138, K+ 4.5, Cl 102, creatinine 1.2 mg/dL, eGFR 58, HbA1c 7.2 % (55 mmol/mol)",
    "WBC 12,300 platelets 250 300 1000 INR 2.5 TSH 0.04",
    "Troponin 0.01, 0.02, 0.05 at 0, 3 and 6 h; D-dimer 1500 ng/mL",
    "platelet number 250 300 400 450",
    "insulin 10-12-14 units, then 4-4-4-8",
    "TSH 2.14.2023 was 4.5; on 03/04/2024 10:00 it was 5.1",
    "The cough began on 12 March 2024 and got worse on 2024-03-15.",
    "Symptoms since 01.05.2024 08:30; last dose 05-06-2024 10:15",
    "LMP 12/03/2024, due 17/12/2024, 32+4 weeks, G2P1",
    "vaccinated on 3 May 2021 and 21/06/2021",
    "Plan: 1000 mg paracetamol 4x/day; Group: 2000 patients; policy since 2019",
    "She was born at 39+2 weeks, 3500 g, Apgar 9/10/10",
    "born in 1961, smoker, 20 pack-years",
    "policy number for the 2024 plan; insurance: since 2019",
    "record high of 1800 mL; case no 3; chart 12; file it",
    "vitamin D 10000 IU weekly, B12 1000 mcg, omega-3 1000 mg/day",
    "Warfarin INR 3.0-4.5 call if above 5; text 3 times",
    "dial 911, 999, 112, 111 or 988; Samaritans 116 123",
    "Poison Control: call 1-800-222-1222 or 0800 111 111 1; call 13 11 26",
    "ICD E11.9, ATC C09AA05, SNOMED 38341003, CPT 99213",
    "from 0800 to 1600 hours, at 7:30 pm; 24/7",
    "NHS 111 and NHS 2024 guidance; Medicare 2024 rules",
    "contact dermatitis 2 3 weeks; ring 4 5 6 finger",
    "6 12 24 48 72 96 120 hours after",
    "1234567890 cells counted, 150000-450000 per microlitre",
    # titles that are none
    "MR angiography and mr imaging of the brain; severe MR; MS for 10 years; DR in both eyes",
    "MS Contin 15 mg; I have ms. Ms. symptoms?",
    "I asked my dr. Amoxicillin was started. My Dr. The next day",
    "the dr said so, dr prescribed metformin, Dr. in the ER",
    "Dr. Metformin was increased. Doctor visit. Dr Google says so. Dr. Scholl's pads, Dr Pepper",
    "Dr. Brown's bottles and Dr. Down's syndrome paper",
    "mrsa, MRSA, MRI, mri, mrcp, drive, profile, missing, Missed, misses, drops, Driver",
    "Don't Miss Doses; Miss a dose? I miss him.",
    "pH: 7.35 7.40 7.45; See a Doctor Quickly; the Flying Doctor Service",
    "Prof. of medicine; a Professor; the Doctor is in",
    # eponyms, drugs, fields
    "Crohn's, Parkinson's disease, Graves' disease, Down syndrome, Bell's palsy, Hodgkin lymphoma, Foley catheter",
    "Name: Metformin 500 mg\nDose: 1-0-1",
    "Drug name: Lipitor; brand name: Zestril; Product name: Panadol",
    "Name: not given. Name: Anonymous. Name: N/A. Name:",
    "Her name is not important; my name is on the list; the name is long",
    "Patient: Hello doctor. Doctor: What brings you here?",
    "Patient: Male, 45. Signs: Murphy's sign, McBurney's point, Glasgow 15",
    "I am called in for a scan; it is called Crohn's",
]


@pytest.mark.parametrize(("text", "redacted"), HIDDEN)
def test_identifiers_are_replaced_and_come_back(text: str, redacted: str) -> None:
    redactor = Redactor()
    assert redactor.redact(text) == redacted
    assert redactor.restore(redacted) == text


@pytest.mark.parametrize("text", KEPT)
def test_medical_text_is_left_alone(text: str) -> None:
    assert Redactor().redact(text) == text


PARTS = [
    *(text for text, _ in HIDDEN),
    *KEPT,
    *(
        "[NAME-1]",
        "[name 2]",
        "[PHONE-01]",
        "[EMAIL-3",
        "NAME-1]",
        "[",
        "]",
        "Dr ",
        "Mr",
        "MRN ",
        "call ",
        "DOB",
        "-",
        " ",
        "\n",
    ),
]
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=5)).map("".join)


@given(TEXTS)
def test_whatever_is_redacted_comes_back(text: str) -> None:
    redactor = Redactor()
    assert redactor.restore(redactor.redact(text)) == text


@given(st.lists(TEXTS, max_size=4))
def test_so_do_several_texts_of_one_redactor(texts: list[str]) -> None:
    redactor = Redactor()
    earlier, together = redactor.redact("Mr Ito, MRN 12345 [NAME-1]"), redactor.redact_all(texts)
    assert redactor.restore(earlier) == "Mr Ito, MRN 12345 [NAME-1]"
    assert [redactor.restore(text) for text in together] == texts


@given(TEXTS, st.lists(st.integers(1, 12)))
def test_a_stream_is_restored_as_the_whole_is(text: str, sizes: list[int]) -> None:
    redactor = Redactor()
    redacted = redactor.redact(text)
    pieces, start = [], 0
    for size in [*sizes, len(redacted) + 1]:
        pieces.append(redacted[start : start + size])
        start += size
    restorer = StreamRestorer(redactor)
    assert "".join([*map(restorer.feed, pieces), restorer.finish()]) == text


@given(TEXTS)
def test_what_is_put_back_never_breaks_a_json_string(text: str) -> None:
    redactor = Redactor()
    reply = json.dumps({"text": redactor.redact(text)}, ensure_ascii=False)
    assert json.loads(redactor.restore(reply)) == {"text": text}


def test_a_name_found_in_one_text_is_replaced_in_all() -> None:
    redactor = Redactor()
    assert redactor.redact_all(["Is Kowalska better?", "Mrs Kowalska"]) == ["Is [NAME-1] better?", "Mrs [NAME-1]"]


def test_names_that_are_words_too_are_replaced_beside_their_title_only() -> None:
    text = "Dr Brown and Mrs Grant came. Will brown urine be tested? Grant it. Brown urine."
    assert Redactor().redact(text) == text.replace("Dr Brown", "Dr [NAME-1]").replace("Mrs Grant", "Mrs [NAME-2]")


def test_a_model_may_write_the_placeholder_its_own_way_but_not_invent_one() -> None:
    redactor = Redactor()
    redactor.redact("Mr Ito")
    assert redactor.restore("Dear [name-1], [NAME 1], [NAME-2] and [1]") == "Dear Ito, Ito, [NAME-2] and [1]"


def test_a_stream_holds_back_only_what_may_become_a_placeholder() -> None:
    redactor = Redactor()
    redactor.redact("Mr Ito")
    restorer = StreamRestorer(redactor)
    assert [restorer.feed(piece) for piece in ("Dear [NA", "ME-1", "], see [x", "] [1")] == [
        "Dear ",
        "",
        "Ito, see ",
        "[x] ",
    ]
    assert restorer.finish() == "[1"


def test_two_redactors_share_nothing() -> None:
    first, second = Redactor(), Redactor()
    assert first.redact("Mr Ito") == second.redact("Mr Abe") == "Mr [NAME-1]"
    assert (first.restore("[NAME-1]"), second.restore("[NAME-1]")) == ("Ito", "Abe")


UNITS = (
    *(
        "mrn ",
        "mrn-",
        "mrn:",
        "MRN 1",
        "1 ",
        "1",
        "+1",
        "a@",
        "a.",
        "Mr ",
        "Mr A. ",
        "name: ",
        "Dr van ",
        " ",
        "born ",
        "0 1-",
    ),
    *("[NAME-", "[", "[NAME-1]", "Mr Ito ", "Ito ", "\n"),
)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.timeout(5)
def test_redacting_is_linear(unit: str) -> None:
    text = unit * (30_000 // len(unit))
    redactor = Redactor()
    assert redactor.restore(redactor.redact(text)) == text


@given(TEXTS)
def test_places_lie_within_the_text_and_hold_no_line_break(text: str) -> None:
    for start, end, _ in identifiers(text):
        assert 0 <= start < end <= len(text)
        assert not re.search(r'[\n"\\]', text[start:end])
