"""The script: who says what, performed how. Every clip of this folder is a row here."""

from dataclasses import dataclass, field

HEART = {"af_heart": 1.0}
BELLA = {"af_bella": 1.0}
MICHAEL = {"am_michael": 1.0}
FENRIR = {"am_fenrir": 1.0}
EMMA = {"bf_emma": 1.0}
SARAH = {"af_sarah": 1.0}
ADAM = {"am_adam": 1.0}
LEWIS = {"bm_lewis": 1.0}
SOFT_HEART = {"af_heart": 0.7, "af_nicole": 0.3}

NAMES = {
    "af_heart": "Heart, woman, American",
    "af_bella": "Bella, woman, American",
    "am_michael": "Michael, man, American",
    "am_fenrir": "Fenrir, man, American",
    "bf_emma": "Emma, woman, British",
    "af_sarah": "Sarah, woman, American",
    "am_adam": "Adam, man, American",
    "bm_lewis": "Lewis, man, British",
}


@dataclass(frozen=True)
class Passage:
    """Phrases that one voice speaks in one emotion."""

    emotion: str
    phrases: tuple[str, ...]
    blend: dict[str, float] = field(default_factory=lambda: HEART)

    @property
    def text(self) -> str:
        """All phrases as one text."""
        return " ".join(self.phrases)


@dataclass(frozen=True)
class Clip:
    """One spoken sample: its passages, in order."""

    id: str
    title: str
    passages: tuple[Passage, ...]


def _clip(id: str, title: str, emotion: str, blend: dict[str, float], *phrases: str) -> Clip:
    return Clip(id, title, (Passage(emotion, phrases, blend),))


CLIPS = (
    _clip("neutral-woman", "Platform four", "neutral", SARAH,
          "The train leaves from platform four at half past nine.",
          "Tickets are sold at the desk."),
    _clip("neutral-man", "The meeting on Thursday", "neutral", MICHAEL,
          "The meeting was moved to Thursday.", "The room is still the same."),
    _clip("happy-woman", "We got the house", "happy", BELLA,
          "We got the house!", "I can't believe it, we really got it!"),
    _clip("happy-man", "Good to see you", "happy", ADAM,
          "You came!", "Oh, it is so good to see you again!"),
    _clip("sad-woman", "His coat by the door", "sad", SOFT_HEART,
          "I keep his coat by the door.", "I know he isn't coming back."),
    _clip("sad-man", "Nobody came", "sad", MICHAEL,
          "I waited all evening.", "Nobody came."),
    _clip("angry-woman", "A hundred times", "angry", HEART,
          "Don't you walk away from me!", "I told you a hundred times!"),
    _clip("angry-man", "Out of my office", "angry", FENRIR,
          "I said no!", "Get out of my office, right now!"),
    _clip("fearful-woman", "Somebody in the house", "fearful", BELLA,
          "Did you hear that?", "There is somebody in the house!", "Please, don't open the door!"),
    _clip("disgust-woman", "Mould", "disgust", EMMA,
          "Oh, that is revolting.", "There is mould all over it."),
    _clip("disgust-man", "In the soup", "disgust", LEWIS,
          "There is a hair in my soup.", "I can't even look at it."),
    _clip("surprised-man", "Already here", "surprised", ADAM,
          "What? You are here already?", "I did not expect that at all!"),
    _clip("calm-woman", "No hurry", "calm", BELLA,
          "Breathe in slowly.", "There is no hurry.", "Everything will be all right."),
    Clip("story", "A day in November", (
        Passage("neutral", (
            "It was a Tuesday in November.",
            "I took the early bus, as I always do, and I looked out of the window all the way.")),
        Passage("happy", (
            "And then my sister called!", "She got the job, the one she had always wanted!",
            "We laughed so much that the whole bus turned around!")),
        Passage("surprised", (
            "But then I came home, and what was that?", "My front door! It was wide open!")),
        Passage("fearful", (
            "I heard the floor creak upstairs.", "Somebody was in my house!",
            "I did not dare to move. I did not even dare to breathe.")),
        Passage("angry", (
            "It was my neighbour! He took the key without asking me!",
            "How dare he! I told him to get out, right now!")),
        Passage("disgust", (
            "And he had left his old fish in my kitchen sink.", "You could smell it in every room.",
            "It was revolting.")),
        Passage("sad", (
            "Then I found the vase on the floor, the one my grandmother gave me.",
            "It was all I had left of her.", "Now it is broken.")),
        Passage("calm", (
            "Now it is quiet again.", "The kettle is on, and outside the rain is falling.",
            "Tomorrow is another day.")),
    )),
)  # fmt: skip
