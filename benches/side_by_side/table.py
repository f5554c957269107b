"""The table as Markdown."""
from side_by_side.programs import Measured


def told(what):
    """Median, fastest to slowest, and peak memory; a text as it is."""
    if not isinstance(what, Measured):
        return what

    def short(seconds):
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"

    text = f"{short(what.seconds)} ({short(what.fastest)} to {short(what.slowest)})"
    if what.cpu_seconds is not None:
        text += f", CPU {short(what.cpu_seconds)}"
    return f"{text}, {what.peak_mb:.0f} MB" if what.peak_mb else text


def table(lines, rounds, versions):
    met = {True: "yes", False: "**no**", None: "–"}
    rows = [("work", "Syncline", "against", "theirs", "ratio of medians", "target", "met")]
    rows += [
        (line.work, told(line.ours), line.against, told(line.theirs), line.ratio, line.target, met[line.met]) for line in lines
    ]
    text = "# Syncline beside its peers\n\nMade by `benches/run`. Medians of "
    text += f"{rounds} rounds, the programs of a row in turn; in brackets fastest and slowest, then CPU time and peak memory of the process.\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in versions.items()) + "\n"
    rows.insert(1, ("---",) * len(rows[0]))
    return text + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
