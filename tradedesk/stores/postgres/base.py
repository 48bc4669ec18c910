from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from environ import Env

from tradedesk import aws_secrets
from tradedesk.aws_secrets import SecretNotReached, SecretRefused


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL whose login is in a secret: where the password has changed, it is read once more."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            # The driver has no code for what comes before the first statement.
            if "password authentication failed" not in str(error):
                raise
            try:
                login = Env.db_url_config(aws_secrets.read(settings.DESK_SECRET_ID)["DATABASE_URL"])
            except (SecretNotReached, SecretRefused, KeyError):
                raise error from None
        self.settings_dict |= {"USER": login["USER"], "PASSWORD": login["PASSWORD"]}
        return super().get_new_connection(self.get_connection_params())
