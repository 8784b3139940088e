from kpt.training.report_samples import sample_view, share


def words(sample: dict) -> str:
    """The text as a reader sees it, with kinds in brackets."""
    shown = []
    for piece in sample_view(sample)["pieces"]:
        if piece["kind"] == "text":
            shown.append(piece["space"] + piece["text"])
        elif piece["kind"] == "separator":
            shown.append(piece["space"] + "|")
        else:
            shown.append(f"{piece['space']}[{piece['kind']} {piece['guess']} {piece['probability']} {piece['answer']}]")
    return "".join(shown)


def test_pieces_become_words_and_guesses_get_a_kind() -> None:
    sample = {
        "pieces": [
            {"text": "pre"},
            {"text": "##train"},
            {"answer": "the", "shown": "[MASK]", "guesses": [["the", 0.5], ["a", 0.25]]},
            {"text": ","},
            {"answer": "cat", "shown": "[MASK]", "guesses": [["dog", 0.5], ["cat", 0.25]]},
            {"text": "[SEP]"},
            {"text": "("},
            {"answer": "sat", "shown": "dog", "guesses": [["ran", 0.5], ["fell", 0.25]]},
            {"text": ")"},
        ]
    }
    assert words(sample) == "pretrain [right the 50 % the], [near dog 50 % cat] | ([wrong ran 50 % sat])"


def test_a_guess_shows_what_else_was_likely() -> None:
    piece = {"answer": "cat", "shown": "[MASK]", "guesses": [["dog", 0.5], ["cat", 0.001]]}
    assert sample_view({"pieces": [piece]})["pieces"][0]["all"] == "dog 50 %, cat <1 %"


def test_the_judgement_on_the_second_text() -> None:
    def judgement(follows: bool, probability: float) -> tuple[str, str, str]:
        view = sample_view({"pieces": [], "next_sentence": {"follows": follows, "probability": probability}})["next"]
        return view["kind"], view["guess"], view["probability"]

    assert judgement(True, 0.9) == ("right", "it follows", "90 %")
    assert judgement(False, 0.9) == ("wrong", "it follows", "90 %")
    assert judgement(False, 0.2) == ("right", "it does not follow", "80 %")
    assert sample_view({"pieces": []})["next"] is None


def test_share() -> None:
    assert [share(value) for value in (0.0, 0.0099, 0.01, 0.126, 1.0)] == ["<1 %", "<1 %", "1 %", "13 %", "100 %"]
