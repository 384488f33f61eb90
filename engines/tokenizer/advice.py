"""Whether another vocabulary is worth it, said from what was measured."""

from __future__ import annotations

from engines.tokenizer.audit import Audit
from glossary.i18n import _

# Shares of the domain's tokens between which the advice changes: a choice, beside the gain of 1.13x
# by 4,657 terms and 1.18x by 20,576 that is known of a vocabulary of 262k (Gemma).
SMALL, LARGE = 0.05, 0.15


def advice(found: Audit) -> list[str]:
    """Sentences on what to do, the first one the verdict."""
    if not found.texts or not found.terms:
        return [_("There are no texts or no terms to measure by: import them first.")]
    best, every = found.savings[0], found.lost_share
    said = [_verdict(every).format(share=f"{every:.1%}")]
    if len(found.savings) > 1 and every >= SMALL and best.share > 0.5 * every:
        said.append(
            _("The best {terms} terms bring {share} of it already.").format(
                terms=best.terms, share=f"{best.share / every:.0%}"
            )
        )
    if found.byte_share > 0.01:
        said.append(
            _("{share} of the tokens are bytes of letters that the vocabulary lacks.").format(
                share=f"{found.byte_share:.1%}"
            )
        )
    if found.over_context:
        said.append(
            _("{count} texts are longer than the model's context.").format(
                count=f"{found.over_context:,}"
            )
        )
    return said


def _verdict(share: float) -> str:
    if share < SMALL:
        return _(
            "Leave the vocabulary as it is: all terms as one token each would save {share} of the "
            "tokens. Labels and a tuned model bring more."
        )
    if share < LARGE:
        return _(
            "Try the other rungs first: all terms as one token each would save {share} of the "
            "tokens, and the new rows must be taught."
        )
    return _(
        "Worth a trial: all terms as one token each would save {share} of the tokens. Compare "
        "it on the ladder with the same data and steps before you keep it."
    )
