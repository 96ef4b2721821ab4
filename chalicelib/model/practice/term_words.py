"""Words by which nouns are told from other words, and words that are no terms. Of the languages of practice."""

_ARTICLES_WORDS = """
    the a an this these those that my your his her its our their i you he she it we they who
"""
ARTICLES = frozenset(_ARTICLES_WORDS.split())
_BEFORE_NOUN_WORDS = """
    the a an of in on at by for from with without between through into during per than its their his her our
    each every these those no any and or via against among under over le la les un une des du de au aux dans par
    pour sur avec sans el los las una unos unas del al en con por para sin в на с для из от по при за к о об без
    до через между под над у
"""
BEFORE_NOUN = frozenset(_BEFORE_NOUN_WORDS.split())
_NOT_BEFORE_NOUN_WORDS = """
    to not can will would could should may might must do does did i you he she it we they who which that is are
    was were be been being has have had very more most so too
"""
NOT_BEFORE_NOUN = frozenset(_NOT_BEFORE_NOUN_WORDS.split())
# A word behind one of these is a verb, or an adjective or adverb.
_BEFORE_OTHERS_WORDS = """
    to can could will would should may might must not do does did they we you he she very so too as more most less
"""
BEFORE_OTHERS = frozenset(_BEFORE_OTHERS_WORDS.split())
_MORE_EMPTY_WORDS = """
    forth up out off down back away into onto upon during while whereas whether since until although though because
    per via between among through across within under over after before above below against toward towards
    despite both few several often always never usually typically generally however therefore thus hence still
    even yet already once there here where when why such like unlike including according due well less least
    first second third last next one two three four five six seven eight nine ten и в на с по не что как это для
    из от до при его её их к у о об за но а или был была было были быть также который которая которые которых
    если чем только же бы ли то так уже еще ещё durch gegen ohne um bis seit während wegen trotz zwischen unter
    vor hinter neben sowie sondern sodass dass weil wenn als ob obwohl nur noch schon sehr mehr einer eines kann
    können soll sollen muss müssen darf dürfen sich werden worden wurde wurden hatte hatten haben
"""
MORE_EMPTY = frozenset(_MORE_EMPTY_WORDS.split())
# Words that tell little, whatever the text is about.
_GENERIC_WORDS = """
    everyone everybody everything someone something anyone anything nothing itself himself herself themselves other
    thing things way ways case cases example examples number numbers result results part parts time times use
    uses kind kinds type types work works paper study studies section chapter figure table work approach
    approaches method methods order end fact point points total amount amounts lack terms term means addition
    reason reasons people group groups year years month months week weeks day days hour hours minute minutes
    page pages rest variety set sets range form forms level levels role presence absence effect effects analysis
    support need needs majority basis side percent million billion thousand hundred half level change changes
    roles mechanism mechanisms course
    ability teil teile jahr jahre jahren zeit fall fälle beispiel zahl ende form art weise rahmen grund tag
    tage regel folge allgemeinen nähe помощи помощь году лет раз счет счёт образом результате связи
"""
GENERIC = frozenset(_GENERIC_WORDS.split())
_LABELS_WORDS = """
    figure fig table section chapter page abb abbildung tabelle kapitel seite volume no eq equation step
    type phase grade stage level class part line number version typ phase stufe band artikel nummer номер тип
"""
LABELS = frozenset(_LABELS_WORDS.split())
