"""Messages as files, CSV for Brazilian spreadsheets and XLSX, in as much memory as some thousand rows take."""
