"""The league: players behind one interface, and the matches between them."""
