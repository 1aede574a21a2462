"""Reports: what was found by a run or several, as data, figures and one page.

Data flows one way: run directories -> ReportData (data.py) -> figures (figures/) -> page (page.py) or picture. Numbers
come from where they are made, results, cost models, statistics and optima; nothing here defines one anew.
"""
