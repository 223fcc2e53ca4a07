"""The report: the paper's tables with our numbers beside the paper's, as a page and as Markdown.

`runs` reads what evaluations and training wrote, `tables` puts it into the layout of the paper
(`layout`, `paper_numbers`), and `write` renders `contents` by the templates beside it.
"""
