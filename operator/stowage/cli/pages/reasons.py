"""The page of the reasons: what each means, what carries it, what to do about it."""

from __future__ import annotations

from stowage.api.reasons import Code
from stowage.cli.pages.markdown import code, escape, page, table

ABOUT = """\
Every candidate that was not chosen has a reason, and so has every condition. The code is for machines and
stays as it is; the message beside it is for people and has the numbers.

Candidates are in `status.candidates[]`, and in the output of `stowage plan` and `stowage explain`. Conditions
are those of an InferenceDeployment unless another kind is named; [How a status reads](../status.md) explains
them.
"""


def reasons_page() -> str:
    """The page of all codes, in the order in which they are declared."""
    rows = [
        (
            f'<a id="{each.value}"></a>{code(each.value)}',
            escape(each.doc),
            escape(each.where),
            escape(each.remedy),
        )
        for each in Code
    ]
    return page("Reasons", [ABOUT, *table(("Code", "Meaning", "Carried by", "What to do"), rows)])
