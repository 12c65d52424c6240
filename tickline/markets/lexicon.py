"""What words of market questions mean: which say nothing, which are one word under several names, which always matter.

The tables are general English and the fields' own terms. What is in no table is a word of content: it must be found on
the other side too.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words(
    """
    a an the will would be is are was were been being do does did of in on at to for from with that this these
    there it its their his her as by if whether which who whom what when where how many much than then into
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
    company member people next's least us's congressional district value price level mark rate's
    confirmed case score scored goal run point total leading
    """
)
"""Says little: it may be missing on one side."""

SCOPES = _words(
    """
    and or mlb nba nfl nhl wnba mls ncaa ufc usa epl
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
    # the same thing under several names
    "updown": "up or down|up/down",
    "democratic": "democratic party|democrat|democrats|dem|dems",
    "republican": "republican party|republicans|gop",
    "usa": "us|united states of america|united states",
    "uk": "united kingdom|great britain",
    "lieutenant governor": "lt gov|lt governor|lieutenant gubernatorial|lieutenant governorship|lieutenant governor",
    "governor": "gubernatorial|governorship",
    "attorney general": "atty gen|attorney gen",
    "president": "presidency|presidential",
    "mlb": "pro baseball|professional baseball|major league baseball",
    "nba": "pro basketball|professional basketball",
    "nfl": "pro football|professional football",
    "nhl": "pro hockey|professional hockey",
    "american league championship": "american league championship series|alcs",
    "national league championship": "national league championship series|nlcs",
    "american league cy young": "al cy young",
    "national league cy young": "nl cy young",
    "american league mvp": "al mvp",
    "national league mvp": "nl mvp",
    "american league rookie": "al rookie",
    "national league rookie": "nl rookie",
    "super bowl": "pro football championship",
    "steals": "stolen base|stolen bases",
    "premier league": "english premier league|epl",
    "champions league": "ucl",
    "gp": "grand prix",
    "mvp": "most valuable player",
    "counterstrike": "counter strike 2|counter strike|csgo|cs:go|cs2",
    "lol": "league of legends",
    "gdp": "gross domestic product",
    "cpi": "consumer price index",
    "fed": "federal reserve|fomc",
    "ecb": "european central bank",
    "boe": "bank of england",
    "boj": "bank of japan",
    "ai": "artificial intelligence",
    "fdv": "fully diluted valuation",
    "market cap": "market capitalization|market capitalisation",
    "ipo": "initial public offering|go public|goes public",
    "halftime": "half time|first half|1st half|at the half|1h",
    "both team score": "both teams to score|both teams score|btts",
    "draw": "end in a draw|end in a tie|be a draw|be a tie|tied|tie",
    "scotus": "supreme court",
    "not": "fail to|fails to|failed to|failing to",
    # the same act in other words
    "win": "winner|winners|wins|won|winning|win the most seats|most seats|spread|handicap",
    "lose": "loses|lost|losing|defeated by",
    "beat": "beats|defeat|defeats|beating",
    "reach": "reaches|reached|qualify for|qualify to|qualify|qualifies|qualified|advance to|advance|advances",
    "leave": "leaves|leaving|out as|depart|departs|departed|exit|exits",
    "launch": "launches|launched|launching",
    "release": "releases|released|releasing",
    "announce": "announces|announced|announcing",
    "nominee": "nominated|nomination|nominees",
    "turnout": "votes cast",
    # places, teams and coins under two names
    "turkey": "turkiye",
    "czech republic": "czechia",
    "south korea": "korea republic|republic of korea",
    "ivory coast": "cote d'ivoire",
    "cape verde": "cabo verde",
    "drcongo": "congo dr|dr congo|democratic republic of congo|democratic republic of the congo",
    "prague": "praha",
    "munich": "munchen",
    "btc": "bitcoin",
    "eth": "ethereum|ether",
    "sol": "solana",
    "xrp": "ripple",
    "doge": "dogecoin",
    "bnb": "binance coin",
    "manchester united": "man utd|man united|manchester utd",
    "manchester city": "man city",
}
"""Canonical words and the phrases (folded, lower case) that are read as them; the longest phrase counts."""

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
