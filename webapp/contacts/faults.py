"""What can be wrong with a file or a row, in plain words, each with its cure. The only list of them."""

from webapp.core import phone
from webapp.core.errors import UserError
from webapp.core.i18n import N_

ROW = {
    **phone.BAD,
    "line_too_long": (
        N_("the line is far too long"),
        N_("A quotation mark or a line break is probably missing here: open the file and mend this line."),
    ),
    "too_many_cells": (
        N_("the row has more values than the table has columns"),
        N_("A value probably contains the separator: put it in quotation marks."),
    ),
    "duplicate": (
        N_("the number stands further up in the file already"),
        N_("Nothing to do: the first row counts, and the person is written to once."),
    ),
    "cell_too_long": (N_("a value is longer than 1,000 characters"), N_("Shorten it or leave the column out.")),
}

# Instead of the cure where a row was too long to be kept whole.
CUT = N_("We did not keep all of this long row: mend it in your own file and import that again.")

FILE = {
    "empty": N_("The file is empty. Choose the file again, or paste the table."),
    "only_header": N_("The file has a header but no rows below it. Was the right sheet saved?"),
    "not_a_table": N_("This is no table: it looks like %(kind)s. Save the list as CSV or XLSX and upload that."),
    "no_text": N_("This file is no table that we can read. Save the list as CSV or XLSX and upload that."),
    "web_page": N_("This is a web page without a table. Save the list as CSV or XLSX and upload that."),
    "xml": N_("This is XML, not a table. Open it in Excel or LibreOffice, save it as XLSX and upload that."),
    "json": N_("This is JSON, not a table. In the system it comes from, choose CSV or Excel, and upload that."),
    "sql": N_("This is a copy of a database, not a table. In the system it comes from, choose CSV or Excel."),
    "chat": N_("This is a WhatsApp conversation, not a list. Put the numbers into a column, one below the other."),
    "numbers_app": N_("This is a file of Apple Numbers. There, choose File, Export To, Excel, and upload that."),
    "zipped": N_("This is a ZIP with other files in it. Unpack it and upload the list that is inside."),
    "blank_start": N_("The file begins with millions of blank lines. Delete them and upload it again."),
    "too_many_columns": N_("The table has %(count)s columns; %(limit)s are the most. Leave out those you do not need."),
    "first_line_too_long": N_("The first line of the file is longer than a million characters: this is no table."),
    "bad_sheet": N_("The spreadsheet is damaged. Open it in Excel or LibreOffice, save it again and upload that."),
    "locked": N_("The spreadsheet has a password. Open it, take the password out, save it and upload that."),
    "bomb": N_("The spreadsheet unpacks to more than we can take. Save it as CSV and upload that."),
    "no_numbers": N_("No column with phone numbers was found. Say which one it is, or add it to the file."),
    "unexpected": N_("Something unexpected stopped the import. The log of the worker says what."),
    "died": N_("The import was begun %(times)s times and stopped each time; it is not tried again. The log says why."),
    "gone": N_("The uploaded file is gone from the disk. Upload it again."),
    "disk": N_("The disk of the server is full: the file could not be kept. Tell whoever looks after Recado."),
    "encoding": N_("The file cannot be read with that encoding. Choose another one."),
}


def refused(key: str, *, field: str | None = None, **values: str | int) -> UserError:
    """The refusal of a whole file."""
    return UserError(FILE[key], field=field, **values)
