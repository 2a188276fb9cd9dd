"""The pages of reports: messages in `message_views`, periods and campaigns in `report_views`."""

from webapp.reports import message_views as message_views
from webapp.reports import report_views as report_views
from webapp.reports.blueprint import bp as bp
