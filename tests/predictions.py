"""Predictions as JSON objects for tests of pages, charts and words."""

import ml


def probabilities(**given: float) -> dict[str, float]:
    """Share out what is left of 1 equally over the labels that are not given."""
    rest = [label for label in ml.LABELS if label not in given]
    left = (1 - sum(given.values())) / len(rest)
    return {label: given.get(label, left) for label in ml.LABELS}


def segment(start_s: float, end_s: float, outcome: str = "emotion", **given: float) -> dict:
    scores = probabilities(**given) if given else {}
    label = max(scores, key=scores.__getitem__) if scores and outcome == "emotion" else None
    return {
        "start_s": start_s,
        "end_s": end_s,
        "outcome": outcome,
        "label": label,
        "confidence": scores[label] if label else None,
        "probabilities": scores,
    }


def prediction(outcome: str = "emotion", segments: tuple = (), **given: float) -> dict:
    whole = segment(0.0, 3.0, outcome, **given)
    voices = [max(s["probabilities"], key=s["probabilities"].get) for s in segments if s["label"]]
    shares = {label: voices.count(label) / len(voices) for label in voices}
    winner = max(shares, key=shares.__getitem__, default=None)
    return {
        "schema": 1,
        "outcome": outcome,
        "reason": None if outcome == "emotion" else "This was measured.",
        "reason_code": None if outcome == "emotion" else outcome,
        "reason_params": {},
        "label": whole["label"],
        "confidence": whole["confidence"],
        "probabilities": whole["probabilities"],
        "intensity": None,
        "duration_s": segments[-1]["end_s"] if segments else 3.0,
        "quality": {
            "speech_ratio": 0.8,
            "snr_db": 21.4,
            "level_dbfs": -19.0,
            "clipping": 0.0,
            "bandwidth_hz": 3900.0,
        },
        "vote": {"label": winner, "dominance": shares[winner], "distribution": shares}
        if winner
        else None,
        "segments": list(segments),
        "model": {"name": "cnn-gru", "version": "1", "sha256": "0", "labels": list(ml.LABELS)},
        "warnings": [],
    }
