"""The leaderboard: runs, anchors and external players in one table, and the page that shows it.

- `runs` and `games` read run folders and PGN files, `evaluations` what comments say of moves;
- `entries` puts one line together for each version and player, `charts` the curves, `shown` the
  games of the viewer, judged by `analyse` on request;
- `build` does all of it, `tables` writes Markdown and CSV, `page` the HTML, `folder` the files.

No torch, no Ray, no model. The page's scripts and styles are in assets/.
"""

from selfplay.leaderboard.build import Leaderboard, Options, gather
from selfplay.leaderboard.folder import check_folder, write_folder

__all__ = ["Leaderboard", "Options", "check_folder", "gather", "write_folder"]
