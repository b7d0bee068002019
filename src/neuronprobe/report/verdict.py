"""Whether the ranking earned its name: top against random, in words."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.report.lookup import PlainRow, count, first

SHARES = (0.1, 0.2)


def verdict(rows: Sequence[PlainRow]) -> str:
    """Ablated at 10 and 20 %, the paired interval of top − mean(random) over test sentences must stay above 0."""
    findings, beaten = [], True
    for share in SHARES:
        row = first(
            rows, study="ablation", metric="accuracy_difference", split="test", against="random", k=count(rows, share)
        )
        if row is not None:
            beaten &= row["low"] > 0
            points = f"{100 * row['value']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}] points"
            findings.append(f"{points} with {share:.0%} of the neurons kept")
    if not findings:
        return "Whether top beats random was not measured: no ablation at 10 or 20 %."
    if beaten and len(findings) < len(SHARES):
        return f"Whether top beats random is half measured (both 10 and 20 % are wanted): {findings[0]}."
    if beaten:
        return f"Top beats random: {', '.join(findings)}."
    return (
        f"Top does not beat random: {', '.join(findings)}. This ranking must not be read as saliency; "
        "raise probe.l1, take more optimizer steps (smaller probe.batch_size, more probe.epochs) or more data."
    )
