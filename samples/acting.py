"""Acting: how a phrase is performed, and the performance of each emotion."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Acting:
    """How a phrase is performed; the defaults leave the voice as it is."""

    speed: float = 1.0  # of the synthesiser; over 1 is faster
    pitch_st: float = 0.0  # shift of the fundamental, semitones
    range_ratio: float = 1.0  # width of the melody around its median
    slope_st: float = 0.0  # rise (or fall) from the first to the last frame, semitones
    end_st: float = 0.0  # rise (or fall) within the last 0.4 s, semitones
    tremor_st: float = 0.0  # depth of a 6.5 Hz trembling, semitones
    jitter_st: float = 0.0  # irregularity from frame to frame, semitones
    formants: float = 1.0  # over 1 is a shorter vocal tract: a smile, or a raised larynx
    breath: float = 0.0  # 0 none, 1 whispered
    effort: float = 0.0  # 1 shouted, under 0 held back
    vowels: float = 1.0  # length of voiced sounds
    dynamics: float = 1.0  # over 1 makes loud syllables louder against soft ones
    level_dbfs: float = -22.0  # root mean square of what is spoken
    pause_s: float = 0.25  # between phrases


ACTING = {
    "neutral": Acting(range_ratio=0.85),
    "calm": Acting(
        speed=0.85, pitch_st=-1.0, range_ratio=0.75, breath=0.15, effort=-0.25,
        dynamics=0.9, level_dbfs=-26, pause_s=0.7,
    ),
    "happy": Acting(
        speed=1.05, pitch_st=4.0, range_ratio=1.35, formants=1.04, effort=0.45,
        dynamics=1.2, level_dbfs=-18, pause_s=0.15,
    ),
    "sad": Acting(
        speed=0.8, pitch_st=-1.5, range_ratio=0.55, slope_st=-1.5, jitter_st=0.1, formants=0.99,
        breath=0.3, effort=-0.3, vowels=1.1, dynamics=0.85, level_dbfs=-28, pause_s=0.8,
    ),
    "angry": Acting(
        speed=1.05, pitch_st=5.0, range_ratio=1.15, jitter_st=0.2, formants=1.03, effort=1.0,
        vowels=1.05, dynamics=1.3, level_dbfs=-15, pause_s=0.12,
    ),
    "fearful": Acting(
        speed=1.1, pitch_st=5.0, range_ratio=0.8, slope_st=1.5, tremor_st=0.45, jitter_st=0.2,
        formants=1.03, breath=0.3, effort=0.4, dynamics=1.1, level_dbfs=-20, pause_s=0.3,
    ),
    "disgust": Acting(
        speed=0.88, pitch_st=-0.5, range_ratio=1.2, slope_st=-2.0, jitter_st=0.15, formants=0.98,
        breath=0.1, effort=0.3, vowels=1.25, dynamics=1.15, level_dbfs=-21, pause_s=0.4,
    ),
    "surprised": Acting(
        speed=1.0, pitch_st=4.0, range_ratio=1.6, end_st=3.0, formants=1.03, breath=0.05,
        effort=0.3, dynamics=1.15, level_dbfs=-18, pause_s=0.3,
    ),
}  # fmt: skip
