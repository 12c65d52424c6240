"""What words of market questions mean: which say nothing, which are one word under several names, which always matter.

The tables are general English and the fields' own terms. What is in no table is a word of content: it must be found on
the other side too.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words(
    """
    a an the will would be is are was were been being do does did of in on at to for from with and or that this these
    there it its their his her as if whether which who whom what when where how many much than then into
    s t vs versus v have has had s
    """
)
"""Glue: says nothing of what is asked."""

GENERIC = _words(
    """
    person individual race seat party team club match matchup game fight bout contest market official officially
    happen happening occur take place hold event total number amount person's pro professional award trophy
    tournament major currently scheduled esport esports gaming fc cf sc ac afc ssc rc rcd as cd ud sd fk sk nk bk if
    ff sv vfb vfl tsg fifa uefa men's mens men series protocol network labs token's inc corp ltd plc co platforms
    company member people next's least us's congressional district national value price level mark rate's
    confirmed case score scored goal run point total
    """
)
"""Says little: it may be missing on one side."""

SCOPES = _words(
    """
    mlb nba nfl nhl wnba mls ncaa ufc usa epl
    """
)
"""Goes without saying on one side, but two different ones are two subjects."""

CATCH_ALL = _words(
    """
    another other else someone anyone field nobody
    """
)
"""Stands for what the venue does not list, which is not the same on two venues."""

DECISIVE = _words(
    """
    lieutenant deputy vice acting former interim jr sr ii iii women woman womens women's girl reserves academy u17
    u18 u19 u20 u21 u23 primary runoff nominee general special attorney secretary treasurer comptroller senate house
    governor mayor president minister halftime half quarter toss over under high low up down both either any all
    no none draw tie odd even first second third fourth last next most fewest least highest lowest best worst
    advance qualify reach final semifinal quarterfinal playoff group stage round announce file sign pass veto
    democratic republican independent libertarian green
    """
)
"""Changes what is asked wherever only one side has it."""

NEGATIONS = _words(
    """
    not never without neither nor cannot isn't won't doesn't didn't wouldn't can't wont doesnt
    """
)
"""Each turns the question around."""

PHRASES: dict[str, str] = {
    r"up or down|up/down": "updown",
    # the same thing under several names
    r"(?:the )?democratic party|democrats?|dems?": "democratic",
    r"(?:the )?republican party|republicans?|gop|reps?(?= win)": "republican",
    r"u\.?s\.?a?\.?(?= |$|,)|united states(?: of america)?": "usa",
    r"united kingdom|u\.k\.|great britain": "uk",
    r"lt\.? gov(?:ernor|\.)?|lieutenant gubernatorial|lieutenant governor(?:ship)?": "lieutenant governor",
    r"gubernatorial|governorship": "governor",
    r"attorney general|atty\.? gen\.?|attorney gen\.?": "attorney general",
    r"presidency|presidential": "president",
    r"pro baseball|professional baseball|major league baseball": "mlb",
    r"pro basketball|professional basketball": "nba",
    r"pro football|professional football": "nfl",
    r"pro hockey|professional hockey": "nhl",
    r"american league championship(?: series)?|alcs": "american league championship",
    r"national league championship(?: series)?|nlcs": "national league championship",
    r"american league(?! championship)|al(?= cy young| mvp| rookie| east| west| central)": "american league",
    r"national league(?! championship)|nl(?= cy young| mvp| rookie| east| west| central)": "national league",
    r"(?:the )?super bowl|pro football championship": "super bowl",
    r"stolen bases?|steals": "steals",
    r"english premier league|epl": "premier league",
    r"grand prix": "gp",
    r"most valuable player": "mvp",
    r"rookie of the year": "roty",
    r"counter[- ]strike(?: 2)?|cs:?go|cs2": "counterstrike",
    r"league of legends": "lol",
    r"gross domestic product": "gdp",
    r"consumer price index": "cpi",
    r"federal reserve|the fed\b|fomc": "fed",
    r"european central bank": "ecb",
    r"bank of england": "boe",
    r"bank of japan": "boj",
    r"artificial intelligence": "ai",
    r"fully diluted valuation": "fdv",
    r"market capitali[sz]ation": "market cap",
    r"initial public offering|go(?:es)? public": "ipo",
    r"all[- ]time high": "ath",
    r"regular season": "regular season",
    r"half[- ]?time|at the half|first[- ]half|1st[- ]half|1h(?= )": "halftime",
    r"both teams (?:to )?score|btts": "both teams score",
    r"ends? in a (?:draw|tie)|be a (?:draw|tie)|tied?\b": "draw",
    r"secretary[- ]general": "secretarygeneral",
    r"supreme court": "scotus",
    r"(?:fails?|failed|failing) to": "not",
    # the same act in other words
    r"winners?|wins|won|winning|victorious": "win",
    r"win the most seats|most seats": "win",
    r"loses|lost|losing|defeated by": "lose",
    r"beats|defeats?|beating": "beat",
    r"reach(?:es|ed)?|qualif(?:y|ies|ied)(?: (?:for|to))?|advances?(?: to)?": "reach",
    r"makes? (?:it to )?(?=the (?:final|playoff))": "reach ",
    r"leaves?|leaving|depart(?:s|ed)?|exit(?:s|ed)?": "leave",
    r"launch(?:es|ed|ing)?": "launch",
    r"releas(?:e|es|ed|ing)": "release",
    r"announc(?:e|es|ed|ing)": "announce",
    r"nominated|nomination|nominees?": "nominee",
    r"votes cast": "turnout",
    r"drops? below|falls? below|dips? below": "below",
    r"hits? (?=[$€£\d(])|reach(?:es)? (?=[$€£\d])|touch(?:es)?": "hit ",
    # places and teams under two names
    r"turkiye": "turkey",
    r"czechia": "czech republic",
    r"korea republic|republic of korea": "south korea",
    r"cote d'ivoire": "ivory coast",
    r"cabo verde": "cape verde",
    r"congo dr|dr congo|democratic republic of (?:the )?congo": "drcongo",
    r"praha": "prague",
    r"munchen": "munich",
    r"koln|cologne(?= vs)": "koln",
    r"bitcoin": "btc",
    r"ethereum|ether(?= )": "eth",
    r"solana": "sol",
    r"ripple": "xrp",
    r"dogecoin": "doge",
    r"binance coin": "bnb",
    r"man(?:chester)? utd": "manchester united",
}
"""Patterns in folded text (no accents, lower case, whole words) and the words that they are read as, in this order."""

PEOPLES: dict[str, str] = {
    "american": "usa", "brazilian": "brazil", "bulgarian": "bulgaria", "french": "france", "german": "germany",
    "british": "uk", "canadian": "canada", "mexican": "mexico", "russian": "russia", "ukrainian": "ukraine",
    "chinese": "china", "japanese": "japan", "korean": "korea", "indian": "india", "israeli": "israel",
    "iranian": "iran", "iraqi": "iraq", "turkish": "turkey", "polish": "poland", "italian": "italy",
    "spanish": "spain", "portuguese": "portugal", "dutch": "netherlands", "swedish": "sweden",
    "norwegian": "norway", "danish": "denmark", "finnish": "finland", "hungarian": "hungary",
    "romanian": "romania", "greek": "greece", "irish": "ireland", "scottish": "scotland", "welsh": "wales",
    "argentine": "argentina", "argentinian": "argentina", "chilean": "chile", "colombian": "colombia",
    "peruvian": "peru", "venezuelan": "venezuela", "australian": "australia", "philippine": "philippines",
    "thai": "thailand", "taiwanese": "taiwan", "egyptian": "egypt", "nigerian": "nigeria", "kenyan": "kenya",
    "armenian": "armenia", "georgian": "georgia", "serbian": "serbia", "czech": "czech", "slovak": "slovakia",
    "austrian": "austria", "swiss": "switzerland", "belgian": "belgium", "syrian": "syria", "lebanese": "lebanon",
    "californian": "california", "texan": "texas",
}  # fmt: skip
"""A people's adjective and the place it is of."""

STATES: dict[str, str] = {
    "alabama": "al", "alaska": "ak", "arizona": "az", "arkansas": "ar", "california": "ca", "colorado": "co",
    "connecticut": "ct", "delaware": "de", "florida": "fl", "georgia": "ga", "hawaii": "hi", "idaho": "id",
    "illinois": "il", "indiana": "in", "iowa": "ia", "kansas": "ks", "kentucky": "ky", "louisiana": "la",
    "maine": "me", "maryland": "md", "massachusetts": "ma", "michigan": "mi", "minnesota": "mn",
    "mississippi": "ms", "missouri": "mo", "montana": "mt", "nebraska": "ne", "nevada": "nv",
    "new hampshire": "nh", "new jersey": "nj", "new mexico": "nm", "new york": "ny", "north carolina": "nc",
    "north dakota": "nd", "ohio": "oh", "oklahoma": "ok", "oregon": "or", "pennsylvania": "pa",
    "rhode island": "ri", "south carolina": "sc", "south dakota": "sd", "tennessee": "tn", "texas": "tx",
    "utah": "ut", "vermont": "vt", "virginia": "va", "washington": "wa", "west virginia": "wv",
    "wisconsin": "wi", "wyoming": "wy",
}  # fmt: skip
"""US states and their postal codes."""

ANTONYMS: dict[str, str] = {"lose": "win", "remain": "leave", "stay": "leave", "down": "up"}
"""A word and the one it turns around: exactly one of both comes true."""
