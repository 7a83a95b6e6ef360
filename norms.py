"""Norms of cephalometric measurements: the value, for whom it holds and who published it. No norm is anyone's target.

A norm is a mean with a standard deviation or, where its author gave a range, a range; it is never turned into the
other.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Norm:
    """One published norm, in the unit of its measurement."""

    measurement: str
    norm_set: str
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    def deviation(self, value: float) -> float | None:
        """How many standard deviations a value lies from the mean; None for a range."""
        return None if self.mean is None or self.sd is None else (value - self.mean) / self.sd

    @property
    def band(self) -> tuple[float, float]:
        """The values that are called normal: within one standard deviation, or within the range."""
        if self.low is not None:
            return self.low, self.high
        return self.mean - self.sd, self.mean + self.sd

    def reading(self, value: float) -> str:
        """ "low", "normal" or "high": outside one standard deviation, or outside the range."""
        low, high = self.band
        return "low" if value < low else "high" if value > high else "normal"


# norm set: (source, for whom)
NORM_SETS = {
    "Steiner": ("Steiner 1953", "adults of European descent, chosen for good faces"),
    "Downs": ("Downs 1948", "20 American adolescents of European descent, 12-17 years, excellent occlusion"),
    "Tweed": ("Tweed 1954", "American patients of European descent"),
    "Ricketts": ("Ricketts 1960s", "American children and adults of European descent"),
    "McNamara": ("McNamara 1984", "adults of European descent with good faces, both sexes"),
    "McNamara men": ("McNamara 1984", "men of European descent with good faces"),
    "McNamara women": ("McNamara 1984", "women of European descent with good faces"),
    "Jacobson men": ("Jacobson 1975", "men with excellent occlusion"),
    "Jacobson women": ("Jacobson 1975", "women with excellent occlusion"),
    "Jarabak": ("Jarabak 1972, after Bjork", "people of European descent"),
    "Eastman": ("Mills 1982, Eastman", "British people of European descent"),
    "Kim": ("Kim 1974, Kim and Vietas 1978", "American children of European descent with normal occlusion"),
    "Holdaway": ("Holdaway 1983", "American adolescents of European descent"),
    "Merrifield": ("Merrifield 1966", "American patients of European descent"),
    "Common": ("common textbook values", "adults; no single source"),
    "ISBI 2015": ("Wang et al. 2016", "the challenge's classes, for Asian patients"),
}


def spread(measurement: str, norm_set: str, mean: float, sd: float) -> Norm:
    """A norm given as mean and standard deviation."""
    return Norm(measurement, norm_set, mean=mean, sd=sd)


def between(measurement: str, norm_set: str, low: float, high: float) -> Norm:
    """A norm given as a range."""
    return Norm(measurement, norm_set, low=low, high=high)


# The first norm of a measurement is the one shown unless another set is chosen.
NORMS = (
    spread("SNA", "Steiner", 82, 2), spread("SNA", "Eastman", 81, 3), between("SNA", "ISBI 2015", 79.4, 83.2),
    spread("SNB", "Steiner", 80, 2), spread("SNB", "Eastman", 78, 3), between("SNB", "ISBI 2015", 74.6, 78.7),
    spread("ANB", "Steiner", 2, 2), spread("ANB", "Eastman", 3, 2), between("ANB", "ISBI 2015", 3.2, 5.7),
    between("SN-GoGn", "Steiner", 28, 36), between("SN-GoGn", "ISBI 2015", 26.8, 31.4),
    spread("SN-OP", "Steiner", 14, 3),
    spread("U1-NA", "Steiner", 22, 2), spread("U1-NA distance", "Steiner", 4, 2),
    spread("L1-NB", "Steiner", 25, 2), spread("L1-NB distance", "Steiner", 4, 2),
    spread("Interincisal", "Steiner", 131, 6), spread("Interincisal", "Downs", 135.4, 5.8),
    spread("Interincisal", "Eastman", 135, 10),
    between("Pog-NB distance", "Steiner", 1, 4),
    spread("U1-SN", "Common", 103, 2), spread("U1-PP", "Eastman", 109, 6),
    spread("IMPA", "Tweed", 90, 5), spread("IMPA", "Downs", 91.4, 3.8), spread("IMPA", "Eastman", 93, 6),
    spread("FMA", "Tweed", 25, 4), spread("FMA", "Downs", 21.9, 5), spread("FMIA", "Tweed", 65, 5),
    spread("MMPA", "Eastman", 27, 4), spread("SN-PP", "Eastman", 8, 3), spread("Lower face height", "Eastman", 55, 2),
    spread("Facial angle", "Downs", 87.8, 3.6), spread("Facial angle", "Ricketts", 87, 3),
    spread("Convexity", "Downs", 0, 5.1), spread("A-B plane", "Downs", -4.6, 3.7), spread("Y axis", "Downs", 59.4, 3.8),
    spread("Occlusal cant", "Downs", 9.3, 3.8), spread("L1-OP", "Downs", 14.5, 3.5),
    spread("U1-APog distance", "Downs", 2.7, 1.8), between("L1-APog distance", "Ricketts", 1, 4),
    spread("A-NPog distance", "Ricketts", 0, 2),
    between("A-Nperp distance", "McNamara", 0, 1), between("Pog-Nperp distance", "McNamara", -4, 0),
    between("Co-A", "McNamara men", 95, 100), between("Co-A", "McNamara women", 91, 96),
    between("Co-Gn", "McNamara men", 125, 135), between("Co-Gn", "McNamara women", 118, 128),
    between("Co-Gn minus Co-A", "McNamara", 25, 30),
    between("ANS-Me", "McNamara men", 65, 75), between("ANS-Me", "McNamara women", 60, 70),
    spread("Wits", "Jacobson men", -1, 1.9), spread("Wits", "Jacobson women", 0, 1.77),
    spread("Saddle angle", "Jarabak", 123, 5), spread("Articular angle", "Jarabak", 143, 6),
    spread("Gonial angle", "Jarabak", 130, 7), spread("Sum of angles", "Jarabak", 396, 6),
    between("Upper gonial angle", "Jarabak", 52, 55), between("Lower gonial angle", "Jarabak", 70, 75),
    between("Face height ratio", "Jarabak", 62, 65), between("Face height ratio", "ISBI 2015", 65, 75),
    spread("Overjet", "Common", 2.5, 1), spread("Overbite", "Common", 2.5, 1),
    spread("ODI", "Kim", 74.5, 6.07), between("ODI", "ISBI 2015", 68.4, 80.5),
    spread("APDI", "Kim", 81.4, 3.8), between("APDI", "ISBI 2015", 77.6, 85.2),
    spread("Ls-E line", "Ricketts", -4, 2), spread("Li-E line", "Ricketts", -2, 2),
    between("H angle", "Holdaway", 7, 14), between("Soft convexity", "Common", 161, 165),
    between("Soft convexity with nose", "Common", 130, 133), spread("Z angle", "Merrifield", 80, 5),
    between("MW", "ISBI 2015", 2, 4.5),
)  # fmt: skip


def norms_of(measurement: str) -> list[Norm]:
    """All norms of a measurement, the one shown by default first."""
    return [norm for norm in NORMS if norm.measurement == measurement]


# What a user may choose: (for whom, whose norms go before the one shown by default).
DEFAULT_CHOICE = "Default"
NORM_CHOICES = {
    DEFAULT_CHOICE: (
        "each measurement beside its own author's norm, mostly of European descent; men's where sexes are parted",
        (),
    ),
    "Men": ("men, where an author parts the sexes; else as Default", ("McNamara men", "Jacobson men")),
    "Women": ("women, where an author parts the sexes; else as Default", ("McNamara women", "Jacobson women")),
} | {name: (f"{NORM_SETS[name][1]}; else as Default", (name,)) for name in ("Steiner", "Downs", "Eastman", "ISBI 2015")}


def norm_of(measurement: str, choice: str = DEFAULT_CHOICE) -> Norm:
    """The norm to show beside a measurement: the chosen set's where it has one, else the first."""
    norms = norms_of(measurement)
    preferred = [norm for norm in norms if norm.norm_set in NORM_CHOICES[choice][1]]
    return (preferred or norms)[0]
