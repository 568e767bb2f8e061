"""The page in a real headless Chromium: it works, by keys too, and stays calm and narrow."""

from __future__ import annotations

import io
from pathlib import Path

import chess
import chess.pgn
import pytest

from selfplay.leaderboard import Options, gather, write_folder
from tests.leaderboard.conftest import Page
from tests.leaderboard.made_board import LONG, made_board, pgn
from tests.patience import patient

pytestmark = pytest.mark.timeout(patient(100))

# The codes of the keys in the WebDriver standard, as selenium has them in Keys.
ENTER, END, HOME, LEFT, RIGHT = "\ue007", "\ue010", "\ue011", "\ue012", "\ue014"
TRICKY = (
    pgn(
        *("Castler", "Taker", "1-0"),
        moves="1. e4 Nf6 2. e5 d5 3. exd6 Qxd6 4. Nf3 Bf5 5. Be2 Nc6 6. O-O O-O-O 7. d4 Qxd4",
    ),
    pgn(
        *("Promoter", "Taker", "1/2-1/2"),
        moves="30... a1=N 31. a8=Q Nb3 32. Qe4+ Kh8",
        SetUp="1",
        FEN="8/P6k/8/8/8/8/p6K/8 b - - 0 30",
    ),
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up board."""
    folder = tmp_path_factory.mktemp("board")
    write_folder(made_board(folder), folder / "out")
    return folder / "out" / "index.html"


def column(page: Page, number: int) -> list[str]:
    """What stands first in each row's cell of a column of the standings."""
    rows = f"#standings tbody tr:not(.details) > :nth-child({number})"
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
    return [text.split("\n")[0].strip() for text in page.run(script, rows)]


def choose(page: Page, selector: str, text: str) -> None:
    """Take the option with this text."""
    from selenium.webdriver.support.select import Select

    Select(page.one(selector)).select_by_visible_text(text)


def test_it_loads_in_silence_and_from_nowhere_else(page: Page, index: Path) -> None:
    page.open(index)
    assert page.complaints() == []
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.texts("h2") == [
        "Standings",
        "Rating, reward and pass@k over training",
        "Head to head",
        "Games",
        "Programs",
        "Promotions",
    ]
    assert page.texts("#standings-count") == ["12 of 12 shown"]
    assert len(page.all(".chart svg polyline")) > 6 and len(page.all(".chart .whisker")) > 6
    assert page.all("noscript + p, #page > .dim")[0].is_displayed()
    # Every control has a name, every table a caption, every picture a description.
    labels = "return [...document.querySelectorAll('input, select')].map((e) => e.labels.length)"
    assert min(page.run(labels)) > 0
    assert len(page.all("table")) == len(page.all("table > caption"))
    assert page.all("svg[role=img]:not([aria-label])") == []


def test_columns_sort_by_mouse_and_key_with_unknown_last(page: Page, index: Path) -> None:
    page.open(index)
    elos = column(page, 3)
    assert page.one("th[aria-sort=ascending]").text.startswith("Rank")
    button = page.one("#standings th button[data-key=elo]")
    button.click()
    assert page.one("th[aria-sort=descending]").text.startswith("Elo")
    down = column(page, 3)
    assert sorted(down) == sorted(elos) and down[-5:] == ["–"] * 5
    page.one("#standings th button[data-key=elo]").send_keys(ENTER)
    assert page.one("th[aria-sort=ascending]").text.startswith("Elo")
    up = column(page, 3)
    assert up[-5:] == ["–"] * 5 and up[:-5] == down[:-5][::-1]
    assert page.run("return document.activeElement.dataset.key") == "elo"
    page.one("#standings th button[data-key=name]").click()
    assert column(page, 2) == sorted(column(page, 2), key=str.lower)
    assert page.complaints() == []


def test_filters_leave_what_fits(page: Page, index: Path) -> None:
    page.open(index)
    box = page.one("#filter")
    box.send_keys("alpha champion")
    assert page.texts("#standings-count") == ["1 of 12 shown"]
    assert column(page, 2) == ["alpha@v000010 champion"]
    box.clear()
    box.send_keys("nobody at all")
    assert "No entry fits the filter." in page.texts("#standings p")
    assert "Fewer than two players" in page.texts("#head-to-head div > p")[0]
    page.run("arguments[0].value = ''; arguments[0].dispatchEvent(new Event('input'))", box)
    choose(page, "#kind", "anchors")
    anchors = ["random", "rule:first_capture", "softmax:0.1,nodes=200"]
    assert sorted(column(page, 2)) == anchors
    assert len(page.all("#head-to-head tbody tr")) == 2
    assert page.complaints() == []


def test_a_row_opens_and_the_domain_changes(page: Page, index: Path) -> None:
    page.open(index)
    opener = page.all("#standings .opener")[0]
    opener.send_keys(ENTER)
    assert page.one(".opener[aria-expanded=true]").is_displayed()
    facts = dict(zip(page.texts(".details dt"), page.texts(".details dd"), strict=True))
    assert facts["Puzzle rating"] == "–" and "games in" in facts["Rating"]
    page.all(".choice label")[1].click()
    assert column(page, 1) == ["1", "2", "2", "4", "5", "5"]
    assert column(page, 2)[0] == "beta@v000020 final" and column(page, 3)[0] == "90.0%"
    assert "pass@10" in " ".join(page.texts("#standings thead th"))
    assert page.complaints() == []


def placement(page: Page) -> str:
    """The board on the page, as python-chess writes one."""
    script = """return [...document.querySelectorAll('.board use')].map((e) =>
        [e.getAttribute('href'), e.getAttribute('transform')])"""
    board = chess.Board(None)
    for shape, place in page.run(script):
        colour, _, name = shape[1:].partition("-")
        x, y = (int(part) // 45 for part in place[len("translate(") : -1].split(","))
        piece = chess.Piece(chess.PIECE_NAMES.index(name), colour == "white")
        board.set_piece_at(chess.square(x, 7 - y), piece)
    return board.board_fen()


def test_games_step_through_every_kind_of_move(page: Page, tmp_path: Path) -> None:
    (tmp_path / "g.pgn").write_text("".join(TRICKY))
    write_folder(gather([], [tmp_path / "g.pgn"], Options(bootstraps=100)), tmp_path / "out")
    page.open(tmp_path / "out" / "index.html")
    for text in TRICKY:
        game = chess.pgn.read_game(io.StringIO(text))
        assert game is not None
        choose(page, "#game-player", game.headers["White"])
        board = game.board()
        assert placement(page) == board.board_fen()
        for move in game.mainline_moves():
            board.push(move)
            page.one("#viewer").send_keys(RIGHT)
            assert placement(page) == board.board_fen(), move
    assert page.complaints() == []


def test_the_viewer_obeys_keys_buttons_and_marks(page: Page, index: Path) -> None:
    page.open(index)
    choose(page, "#game-player", "Outsider")
    viewer = page.one("#viewer")
    viewer.send_keys(END)
    assert page.texts("#viewer .status") == ["12/12: Ke8 (blunder), mate #4"]
    assert page.one(".move[aria-current]").text == "Ke8??"
    viewer.send_keys(HOME)
    assert page.texts("#viewer .status") == ["0/12: start"]
    page.one("#next-mark").click()
    assert page.texts("#viewer .status")[0].startswith("6/12: Nd4 (inaccuracy)")
    page.one("#back").click()
    viewer.send_keys(LEFT)
    assert page.texts("#viewer .status") == ["4/12: Nc6, +0.30"]
    white = page.one(".board").get_attribute("aria-label")
    page.one("#flip").click()
    assert page.one(".board").get_attribute("aria-label") == white
    first = "return document.querySelector('.board use').getAttribute('href')"
    assert page.run(first) == "#black-rook" or page.run(first) == "#white-rook"
    page.all("#viewer .move")[6].click()
    assert page.texts("#viewer .status")[0].startswith("7/12: O-O")
    assert len(page.all(".curve path.blunder")) == LONG.count("#4") == 1
    page.one("#viewer .curve svg").click()  # its middle
    assert page.texts("#viewer .status")[0].startswith("6/12")
    # Keys in the choice of a game choose games and do not step.
    page.one("#game").send_keys(RIGHT)
    assert page.complaints() == []


def test_runs_leave_the_charts_and_programs_change(page: Page, index: Path) -> None:
    page.open(index)
    before = len(page.all(".chart .line"))
    page.one("#run-0").click()
    assert 0 < len(page.all(".chart .line")) < before
    choose(page, "#answer-group", "beta, code/families")
    assert len(page.all("#answers article")) == 6
    assert any("a hidden test" in text for text in page.texts("#answers .failed"))
    assert page.texts("#promotions .decision")[0].startswith("promoted")
    assert page.complaints() == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(page: Page, index: Path, width: int) -> None:
    page.open(index, width=width, height=844)
    page.press("#standings .opener", 2)
    assert page.run("return document.documentElement.scrollWidth") <= width
    wide = """return [...document.querySelectorAll('main *')].filter((e) =>
        !e.closest('.scroll, pre, .moves, .hidden, svg') &&
        e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className)"""
    assert page.run(wide) == []
    assert page.run("return parseFloat(getComputedStyle(document.body).fontSize)") >= 15
    assert min(b.size["height"] for b in page.all(".buttons button")) >= 40
    assert page.complaints() == []


def test_colours_follow_the_reader(page: Page, index: Path) -> None:
    script = "return getComputedStyle(document.body).backgroundColor"
    page.open(index)
    light = page.run(script)
    page.open(index, scheme="dark")
    assert (light, page.run(script)) == ("rgb(255, 255, 255)", "rgb(21, 24, 28)")
