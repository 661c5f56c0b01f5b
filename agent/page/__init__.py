"""The page as pieces of HTML, and the door it stands behind. Strings in, strings out: no gradio in here, all text is escaped."""
