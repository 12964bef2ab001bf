"""English words that say nothing of a topic: articles, pronouns, prepositions, conjunctions, auxiliaries, negations."""

from __future__ import annotations

# The closed word classes of English, lower case. "don" and "ll" are what is left of "don't" and "I'll" between letters.
_LISTED = """
a an the this that these those such same other others another each every either neither both all any some no none
many much more most few fewer less least several enough own
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves one ones oneself who whom whose which what whoever whatever
whichever someone something anyone anything everyone everything nobody nothing
about above across after against along among amongst around as at before behind below beneath beside besides
between beyond by despite down during except for from in inside into like near of off on onto out outside over past
per since through throughout till to toward towards under until up upon via with within without
and but or nor so yet if unless although though because while whereas whether than then thus hence therefore however
be am is are was were been being have has had having do does did doing done can could may might must shall should
will would ought cannot
not never also too very just only even still already again ever else here there where when why how now once quite
rather almost often further etc
don didn doesn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn mustn ain ll re ve
"""
STOP_WORDS = frozenset(_LISTED.split())
